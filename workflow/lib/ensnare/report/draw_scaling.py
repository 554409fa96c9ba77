"""What the figures of a scaling study show, computed from its tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ensnare.analyses.estimators.scaling_laws import LAWS
from ensnare.analyses.scaling_curves import LAWS_OF, curves, scaling_of
from ensnare.report.figures.scaling import Line, Quantity, ScalingCurve, plot_scaling
from ensnare.study.scaling import WALL, Scaling
from ensnare.study.study import Study
from ensnare.study.sweep import case_label

Array = NDArray[np.float64]
_POINTS = 200  # in a line


@dataclass(frozen=True)
class ScalingFigure:
    """The curves, lines and texts of one figure of a scaling study."""

    study: Study
    tables: Mapping[str, pd.DataFrame]  # scaling, scaling_points, scaling_fits
    quantity: Quantity

    @property
    def scaling(self) -> Scaling:
        """The options of the scaling study."""
        return scaling_of(self.study)

    def draw(self) -> Figure:
        """Draw the figure."""
        return plot_scaling(
            self.curves(),
            self.quantity,
            self.ideal(),
            count_label=self.scaling.factor,
            subtitle=self.subtitle(),
            value_label=self.value_label(),
        )

    def curves(self) -> list[ScalingCurve]:
        """Return a curve for each case of the sweep."""
        runs, fits = self._by_curve("scaling"), self._by_curve("scaling_fits")
        found = []
        for label, points in self._by_curve("scaling_points").items():
            counts = points[self.scaling.factor].to_numpy(float)
            ends = ["time_low_s", "time_high_s"] if self.quantity == "time_s" else [
                f"{self.quantity}_low", f"{self.quantity}_high"
            ]  # fmt: skip
            low, high = (points[end].to_numpy(float) for end in ends)
            without_time = points[points["time_s"].isna()]
            found.append(
                ScalingCurve(
                    label,
                    counts,
                    points[self.quantity].to_numpy(float),
                    low,
                    high,
                    self._laws(points, fits.get(label)),
                    self._runs(runs[label], "time_s"),
                    self._runs(runs[label], "slurm_elapsed_s"),
                    {
                        int(row[self.scaling.factor]): str(row["reason"])
                        for _, row in without_time.iterrows()
                    },
                )
            )
        return found

    def _by_curve(self, table: str) -> dict[str, pd.DataFrame]:
        """Return the rows of a table for each curve, by the label of its case."""
        return {case_label({k: v for k, v in keys.items() if v == v}): rows
                for keys, rows in curves(self.tables[table], self.study)}  # fmt: skip

    def _runs(self, runs: pd.DataFrame, column: str) -> Line | None:
        """Return the times of single runs, which only the figure of times shows."""
        if self.quantity != "time_s" or column not in runs or runs[column].isna().all():
            return None
        return runs[self.scaling.factor].to_numpy(float), runs[column].to_numpy(float)

    def _grid(self, points: pd.DataFrame) -> Array:
        """Return the counts at which lines are drawn, evenly spaced in their logarithm."""
        counts = points[self.scaling.factor].to_numpy(float)
        grid: Array = np.geomspace(counts.min(), max(counts.max(), counts.min() * 1.01), _POINTS)
        return grid

    def _laws(self, points: pd.DataFrame, fits: pd.DataFrame | None) -> dict[str, Line]:
        """Return the fitted laws as lines."""
        reference = points["reference"].iloc[0]
        if fits is None or pd.isna(reference):
            return {}
        grid, found = self._grid(points), {}
        start = points.loc[points[self.scaling.factor] == reference, "time_s"].iloc[0]
        for key in LAWS_OF[self.scaling.mode]:
            law = LAWS[key]
            rows = fits[fits["fit"] == law.name]
            values = dict(zip(rows["parameter"].astype(str), rows["value"], strict=True))
            if np.isfinite(values["time_1_s"]):
                time_s = law.time_s(law.coefficients(values), grid)
                found[law.name] = (grid, self._value(grid, time_s, reference, start))
        return found

    def _value(self, counts: Array, time_s: Array, reference: float, start: float) -> Array:
        """Return what the figure shows at times: the times, speed-ups or efficiencies."""
        if self.quantity == "time_s":
            return time_s
        gain = start / time_s * (counts / reference if self.scaling.mode == "weak" else 1.0)
        return gain if self.quantity == "speedup" else gain * reference / counts

    def ideal(self) -> list[Line]:
        """Return the lines without any loss.

        The figure of times has a line for each curve, the others one for each reference count.
        """
        lines: dict[tuple[float, float], Line] = {}
        for points in self._by_curve("scaling_points").values():
            reference = points["reference"].iloc[0]
            if pd.isna(reference):
                continue
            start = points.loc[points[self.scaling.factor] == reference, "time_s"].iloc[0]
            grid = self._grid(points)
            weak = self.scaling.mode == "weak"
            time_s = np.full_like(grid, start) if weak else start * reference / grid
            key = (reference, start if self.quantity == "time_s" else 0.0)
            lines[key] = (grid, self._value(grid, time_s, reference, start))
        return list(lines.values())

    def value_label(self) -> str:
        """Return the label of the value axis."""
        if self.quantity != "time_s":
            return {"speedup": "speed-up", "efficiency": "efficiency"}[self.quantity]
        name = "time" if self.scaling.time == WALL else self.scaling.time
        return f"{name}{' of a sample' if self.scaling.mode == 'throughput' else ''} [s]"

    def subtitle(self) -> str:
        """Return what points and bars are."""
        points = self.tables["scaling_points"]
        level = points.loc[points["n_ok"] > 1, "level"]
        most = int(points["n_ok"].max())
        shown = f"median of {most} runs" if most > 1 else "one run of each"
        if level.empty:
            return shown
        low, high = 100 * level.min(), 100 * level.max()
        ends = f"{low:.3g} %" if high - low < 0.1 else f"{low:.3g} to {high:.3g} %"
        bars = f"bars: intervals of {ends}" if self.quantity == "time_s" else (
            f"bars: from the ends of the {ends} intervals of the times"
        )  # fmt: skip
        references = sorted({int(r) for r in points["reference"].dropna()})
        reference = f"; reference: {self.scaling.factor} = {', '.join(map(str, references))}"
        return f"{shown}; {bars}{'' if self.quantity == 'time_s' else reference}"
