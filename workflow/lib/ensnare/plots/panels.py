"""Grids of small panels that share their axes."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ensnare.plots.style import label_axis, plain, plain_names

PANEL_IN = (2.3, 1.9)
MARGIN_IN = (0.7, 0.9)
NAME_WIDTH, LABEL_WIDTH = 30, 26  # characters


def panel_grid(
    n_panels: int, max_columns: int, panel_in: tuple[float, float] = PANEL_IN
) -> tuple[Figure, list[Axes]]:
    """Return a figure and its panels, row by row; the lowest of each column has tick labels."""
    n_columns = min(n_panels, max_columns)
    n_rows = -(-n_panels // n_columns)
    width_in = MARGIN_IN[0] + panel_in[0] * n_columns
    height_in = MARGIN_IN[1] + panel_in[1] * n_rows
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    panels = grid.ravel().tolist()
    for axes in panels[n_panels:]:
        axes.remove()
    for axes in panels[max(0, n_panels - n_columns) : n_panels]:
        axes.tick_params(axis="x", labelbottom=True, which="both")
    return figure, panels[:n_panels]


def name_panels(panels: Sequence[Axes], names: Sequence[str], below: Sequence[str] = ()) -> None:
    """Write a name above each panel, and a second line below the name."""
    shown = plain_names(list(names), NAME_WIDTH)
    second = [f"\n{text}" if text else "" for text in below] or [""] * len(shown)
    for axes, name, text in zip(panels, shown, second, strict=True):
        axes.set_title(name + text, fontsize="small", loc="left")


def _broken(label: str) -> str:
    """Return a label that fits below a panel, the unit on a line of its own when it is long."""
    if len(label) <= LABEL_WIDTH:
        return plain(label)
    head, bracket, unit = label.rpartition(" [")
    if not bracket:
        return plain(label, LABEL_WIDTH)
    return f"{plain(head, LABEL_WIDTH)}\n[{plain(unit, LABEL_WIDTH)}"


def label_panels(figure: Figure, panels: Sequence[Axes], x_label: str, y_label: str) -> None:
    """Label the shared y axis once and the x axis below each column."""
    first = panels[0]
    label_axis(first, "x", x_label, n_ticks=4)
    label_axis(first, "y", y_label, n_ticks=5)
    # The text is plain already; to cut it once more it must be as it was.
    y_text, x_text = first.get_ylabel(), first.get_xlabel().replace(r"\$", "$")
    first.set(xlabel="", ylabel="")
    figure.supylabel(y_text, fontsize="medium")
    for axes in panels:
        if axes.xaxis.get_tick_params()["labelbottom"]:
            axes.set_xlabel(_broken(x_text))
