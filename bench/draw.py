"""Plots of measurements: each an SVG beside the JSON that it is of, which a program here wrote.

    python bench/draw.py

draws again what lies in `bench/results`; the programs call `draw` when they have measured.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from smar.files import write_text

_OURS, _OTHERS = "#2a6f97", "#b8b8b8"
_SPREAD = "#555555"

Results = Mapping[str, Any]


def draw(program: str, path: Path) -> None:
    """Draw the results in `path` of the program of that name, as an SVG beside them."""
    figure = _PLOTS[program](json.loads(path.read_text(encoding="utf-8")))
    text = io.StringIO()
    # The same bytes for the same figure.
    with matplotlib.rc_context({"svg.hashsalt": "smar"}):
        figure.savefig(text, format="svg", metadata={"Date": None})
    write_text(path.with_suffix(".svg"), text.getvalue())


def _rates(unit: str, found: Mapping[str, Any]) -> Figure:
    """One bar a name, from its median and spread."""
    return _bars(unit, {name: [one["median"], *one["spread"]] for name, one in found.items()})


def _bars(unit: str, figures: Mapping[str, Sequence[float]]) -> Figure:
    figure = Figure(figsize=(8.0, 0.6 + 0.42 * len(figures)), layout="constrained")
    _put_bars(figure.subplots(), unit, figures)
    return figure


def _put_bars(axes: Axes, unit: str, figures: Mapping[str, Sequence[float]]) -> None:
    """One bar a name, as long as the median, with a line from the least to the greatest; ours are coloured."""
    names = list(figures)
    middle = [median(figures[name]) for name in names]
    spread = [
        [value - min(figures[name]) for name, value in zip(names, middle, strict=True)],
        [max(figures[name]) - value for name, value in zip(names, middle, strict=True)],
    ]
    colours = [_OURS if "ours" in name else _OTHERS for name in names]
    drawn = axes.barh(names, middle, xerr=spread, color=colours, ecolor=_SPREAD, capsize=3)
    axes.bar_label(drawn, labels=[f"{value:,.4g}" for value in middle], padding=6)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(unit)
    axes.spines[["top", "right"]].set_visible(False)


def _update(results: Results) -> Figure:
    seconds = {
        "everything again": results["all_seconds"],
        "ours: smar index": results["changed_seconds"],
        "ours: in a service": results["changed_in_a_service_seconds"],
    }
    return _bars("seconds until 1 % of a catalogue has changed", seconds)


def _million(results: Results) -> Figure:
    """Time and memory by number of items, filtered queries, and ours beside the peer."""
    figure = Figure(figsize=(9.0, 6.0), layout="constrained")
    (times, memory), (filters, peer) = figure.subplots(2, 2)
    growth = results["growth"]
    items = [one["items"] for one in growth]
    for name, style in (("p50_ms", "-o"), ("p99_ms", "--o")):
        times.plot(items, [one[name] for one in growth], style, color=_OURS, label=name.removesuffix("_ms"))
    times.set(ylabel="ms a query, text to 50 items", ylim=0)
    times.legend(frameon=False)
    memory.plot(
        items, [one["raw_float32_mib"] for one in growth], "-o", color=_OTHERS, label="raw float32 vectors"
    )
    memory.plot(
        items, [one["memory_mib"]["own"] for one in growth], "-o", color=_OURS, label="ours, own memory"
    )
    memory.set(ylabel="MiB", yscale="log")
    memory.legend(frameon=False)
    for axes in (times, memory):
        axes.set(xscale="log", xlabel="items")
        axes.spines[["top", "right"]].set_visible(False)
    by_share = {
        f"{one['passes']:.0%} pass, ours": [one["query"]["p50_ms"]]
        for one in sorted(results["filters"], key=lambda one: -float(one["passes"]))
    }
    _put_bars(filters, "ms a filtered query, p50", by_share)
    against = results["against"]
    beside = {
        "ours": [against["ours"]["p50_ms"]],
        "sentence-transformers\n+ faiss HNSW": [against["sentence-transformers and faiss HNSW"]["p50_ms"]],
    }
    _put_bars(peer, "ms a query over a million items, p50", beside)
    return figure


_PLOTS: Mapping[str, Callable[[Results], Figure]] = {
    "training": lambda found: _rates("clicked pairs learnt a second", found["pairs_a_second"]),
    "embedding": lambda found: _rates("items embedded a second", found["items_a_second"]),
    "image_decode": lambda found: _rates(
        f"photos a second ({list(found['rates'])[-1]})", list(found["rates"].values())[-1]
    ),
    "update": _update,
    "million": _million,
}

if __name__ == "__main__":
    for name in _PLOTS:
        draw(name, Path(__file__).parent / "results" / f"{name}.json")
