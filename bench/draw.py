"""Plots of measurements, as SVG beside the JSON they are of."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import matplotlib
from matplotlib.figure import Figure

from smar.files import write_text

_OURS, _OTHERS = "#2a6f97", "#b8b8b8"


def bars(path: Path, unit: str, figures: Mapping[str, Sequence[float]]) -> None:
    """One bar a name, as long as the median, with a line from the least to the greatest; ours are coloured."""
    names = list(figures)
    middle = [median(figures[name]) for name in names]
    spread = [
        [value - min(figures[name]) for name, value in zip(names, middle, strict=True)],
        [max(figures[name]) - value for name, value in zip(names, middle, strict=True)],
    ]
    figure = Figure(figsize=(8.0, 0.6 + 0.42 * len(names)), layout="constrained")
    axes = figure.subplots()
    colours = [_OURS if "ours" in name else _OTHERS for name in names]
    drawn = axes.barh(names, middle, xerr=spread, color=colours, ecolor="#555555", capsize=3)
    axes.bar_label(drawn, labels=[f"{value:,.4g}" for value in middle], padding=6)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(unit)
    axes.spines[["top", "right"]].set_visible(False)
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write a figure, the same bytes for the same figure."""
    text = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "smar"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    write_text(path, text.getvalue())
