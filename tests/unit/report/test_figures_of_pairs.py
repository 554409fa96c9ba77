import numpy as np
import pytest

from ensnare.report.figures.design import plot_pairs
from ensnare.report.figures.style import save

RNG = np.random.default_rng(0)


def inputs(n_inputs, n=500):
    return {f"x{i}": RNG.random(n) for i in range(n_inputs)}


def drawn(figure):
    return [axes for axes in figure.axes if axes.get_visible()]


def test_each_pair_and_each_input_has_a_panel(tmp_path):
    figure = plot_pairs({"": inputs(3)}, units={"x0": "m"})
    assert len(drawn(figure)) == 6
    lower = {axes.get_xlabel() for axes in drawn(figure)}
    assert {"x0 [m]", "x1", "x2"} <= lower
    assert not figure.legends
    for path in save(figure, tmp_path / "pairs"):
        assert path.stat().st_size > 1000


def test_of_many_inputs_those_that_depend_on_others_are_shown():
    x = inputs(12)
    x["x3"] = 1 - x["x7"] + 0.01 * RNG.random(500)
    figure = plot_pairs({"": x})
    assert len(drawn(figure)) == 8 * 9 // 2
    assert {"x3", "x7"} <= {axes.get_xlabel() for axes in drawn(figure)}
    assert "8 of 12 inputs" in figure.get_suptitle()


def test_groups_lie_over_each_other_with_a_legend():
    figure = plot_pairs({"SMC": inputs(2, 3000), "Metropolis": inputs(2, 100)})
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["SMC", "Metropolis"]
    assert "2000 of 3000 points drawn" in figure.get_suptitle()


@pytest.mark.slow
def test_one_input_and_inputs_that_do_not_vary_are_drawn(tmp_path):
    save(plot_pairs({"": {"x": np.full(10, 2.0)}}), tmp_path / "one")
    save(plot_pairs({"": inputs(9, 10) | {"k": np.ones(10)}}), tmp_path / "ten")
