"""The report's plots, each as PNG and SVG. Knows numbers by name; nothing of rows, runs or queries."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smar.experiment.reproduce.gate import Calibration
from smar.files import whole_file

Floats = npt.NDArray[np.float64]
Weights = tuple[float, float, float]
"""Of the three tasks: alpha, beta, gamma."""

_STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "svg.hashsalt": "smar",
}
_COLOURS = ("#7a7a7a", "#3b6ea5", "#d08a2e", "#b03a48", "#4f8a5b", "#7d5ba6", "#2e9aa0", "#a0522d")


def recall_by_depth(curves: Mapping[str, Floats], folder: Path) -> Path:
    """Recall at 1 to k, a line a row of the table."""
    figure, axes = _figure(7, 4.2)
    for (name, curve), colour in zip(curves.items(), _endless(len(curves)), strict=True):
        width = 2.6 if name == "SMAR" else 1.4
        axes.plot(np.arange(1, len(curve) + 1), curve, label=name, color=colour, linewidth=width)
    axes.set(xlabel="items shown (k)", ylabel="recall at k", xscale="log", ylim=(0, 1))
    axes.set_xticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
    axes.legend(frameon=False, fontsize=8)
    return _save(figure, folder, "recall_by_depth")


def gain_by_kind(gains: Mapping[str, tuple[float, float, float]], folder: Path) -> Path:
    """What the image adds or costs by kind of query: mean and interval of the difference in nDCG@10."""
    figure, axes = _figure(7, 0.9 + 0.3 * len(gains))
    kinds = sorted(gains, key=lambda kind: gains[kind][0])
    means = np.array([gains[kind][0] for kind in kinds])
    ends = np.array([gains[kind][1:] for kind in kinds])
    axes.barh(kinds, means, color=[_COLOURS[3] if mean < 0 else _COLOURS[1] for mean in means], height=0.65)
    axes.errorbar(means, kinds, xerr=np.abs(ends.T - means), fmt="none", ecolor="#222222", elinewidth=1)
    axes.axvline(0, color="#222222", linewidth=0.8)
    axes.set(xlabel="nDCG@10 with the image, less without")
    return _save(figure, folder, "gain_by_kind")


def gate_by_kind(values: Mapping[str, Floats], threshold: float, folder: Path) -> Path:
    """How the gate's values lie by kind of query."""
    figure, axes = _figure(7, 0.9 + 0.3 * len(values))
    kinds = sorted(values, key=lambda kind: float(np.median(values[kind])))
    boxes = axes.boxplot(
        [values[kind] for kind in kinds],
        orientation="horizontal",
        tick_labels=kinds,
        showfliers=False,
        patch_artist=True,
        widths=0.6,
    )
    for box in boxes["boxes"]:
        box.set_facecolor("#c9d8e8")
    axes.axvline(threshold, color=_COLOURS[3], linewidth=1, linestyle="--")
    axes.set(xlabel="gate P(q); right of the dashed line the image is used", xlim=(0, 1))
    return _save(figure, folder, "gate_by_kind")


def calibration(of: Calibration, folder: Path) -> Path:
    """The gate's value against how often the image did help."""
    figure, axes = _figure(4.4, 4.2)
    axes.plot([0, 1], [0, 1], color="#999999", linewidth=1, linestyle="--")
    axes.plot(of.expected, of.seen, marker="o", color=_COLOURS[1])
    axes.set(xlabel="gate P(q)", ylabel="queries for which the image ranked better", xlim=(0, 1), ylim=(0, 1))
    axes.set_title(f"expected calibration error {of.error:.3f}", fontsize=10)
    return _save(figure, folder, "calibration")


def gate_against_oracle(means: Mapping[str, Mapping[str, float]], folder: Path) -> Path:
    """nDCG@10 by group: never, always, the gate, both, and the better of both for each query."""
    figure, axes = _figure(7, 3.6)
    groups = list(next(iter(means.values())))
    width = 0.8 / len(means)
    for place, (name, by_group) in enumerate(means.items()):
        at = np.arange(len(groups)) + (place - (len(means) - 1) / 2) * width
        axes.bar(at, [by_group[group] for group in groups], width, label=name, color=_COLOURS[place])
    axes.set(ylabel="nDCG@10")
    axes.set_xticks(range(len(groups)), groups)
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.1))
    return _save(figure, folder, "gate_against_oracle")


def weight_surface(figures: Mapping[Weights, float], measure: str, folder: Path) -> Path:
    """What `measure` comes to for shares of alpha, beta and gamma, in a triangle with one of them alone at each corner.

    Needs three mixtures that do not lie on one line.
    """
    shares = np.array(list(figures)) / np.sum(list(figures), axis=1)[:, None]
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(0.75)]])
    places, values = shares @ corners, np.array(list(figures.values()))
    figure, axes = _figure(5.6, 4.6)
    surface = axes.tricontourf(places[:, 0], places[:, 1], values, levels=12, cmap="viridis")
    figure.colorbar(surface, ax=axes, label=measure, shrink=0.7)
    axes.scatter(places[:, 0], places[:, 1], color="white", edgecolor="#222222", s=22, zorder=3)
    for place, value in zip(places, values, strict=True):
        box = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1}
        axes.annotate(
            f"{value:.3f}", place, (0, 8), textcoords="offset points", ha="center", fontsize=8, bbox=box
        )
    names = ("alpha: query and text", "beta: query and image", "gamma: query and both")
    for corner, name, below in zip(corners, names, (True, True, False), strict=True):
        shift = (0, -16) if below else (0, 20)
        axes.annotate(name, corner, shift, textcoords="offset points", ha="center", fontsize=9)
    axes.set(xlim=(-0.18, 1.18), ylim=(-0.12, 1.02), aspect="equal")
    axes.set_axis_off()
    return _save(figure, folder, "weight_surface")


def training_curves(metrics: Path, folder: Path) -> Path:
    """Losses and validations of both stages of one run."""
    lines = [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]
    stages = list(dict.fromkeys(line["stage"] for line in lines))
    with rc_context(_STYLE):
        figure = Figure(figsize=(7.5, 3.4), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(stages)))
    for axes, stage in zip(panels, stages, strict=True):
        of_stage = [line for line in lines if line["stage"] == stage]
        for name, colour in zip(("text", "image", "multimodal"), _COLOURS[1:], strict=False):
            points = [(line["step"], line[name]) for line in of_stage if name in line]
            if points:
                steps, losses = zip(*points, strict=True)
                axes.plot(steps, losses, label=name, color=colour, linewidth=1)
        axes.set(xlabel="step", ylabel="loss", title=stage)
        axes.legend(frameon=False, fontsize=8, ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.16))
        beside = axes.twinx()
        points = [(line["step"], line["validation"]) for line in of_stage if "validation" in line]
        beside.plot(*zip(*points, strict=True), marker="o", color="#222222", linewidth=1)
        beside.grid(visible=False)
        beside.set_ylabel("on held-out clicks (dots)")
    return _save(figure, folder, "training_curves")


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    with rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        return figure, figure.subplots()


def _save(figure: Figure, folder: Path, name: str) -> Path:
    """Write PNG and SVG, without dates, so that the same numbers give the same bytes; return the PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    with rc_context(_STYLE):
        for suffix, metadata in (("svg", {"Date": None}), ("png", {"Software": None})):
            with whole_file(folder / f"{name}.{suffix}") as path:
                figure.savefig(path, format=suffix, dpi=130, metadata=metadata)
    return folder / f"{name}.png"


def _endless(count: int) -> Sequence[str]:
    return [_COLOURS[place % len(_COLOURS)] for place in range(count)]
