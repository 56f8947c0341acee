"""The report: one HTML page that works offline, with the tables, the plots, and queries side by side with photos.

Knows what was measured; trains and asks nothing.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from smar.data.shop import Shop
from smar.evaluation.resampling import bootstrap_intervals
from smar.experiment.reproduce import plots
from smar.experiment.reproduce.examples import data_url, shelves, words_of_the_gate
from smar.experiment.reproduce.rows import ALWAYS, NEVER, SMAR
from smar.experiment.reproduce.sheets import kind_sheet, result_sheets
from smar.experiment.reproduce.table import CAPTION, Reproduction
from smar.files import write_text

_CURVES = ("BM25", "DPSR (text only)", "DPSR-i (image only)", "cross attention", "SMAR")
_WEIGHTS_TO_SHOW = 6
_GATE, _ALWAYS, _NEVER = SMAR.name, ALWAYS.name, NEVER.name


@dataclass(frozen=True)
class Evidence:
    """What was measured: by row the tables of values, one a seed, all of the same queries in the same order."""

    shop: Shop
    split: str
    values: Mapping[str, Sequence[pl.DataFrame]]
    metrics: Path | None
    """The metrics of SMAR's first run, if it is still there."""
    by_weights: Mapping[plots.Weights, float]
    """nDCG@10 of the rows that differ from SMAR in the weights of the three tasks alone, and of SMAR."""


def write_report(found: Reproduction, evidence: Evidence, out: Path) -> None:
    """Write `out`/report.html and `out`/table.md, with plots in `out`/plots as PNG and SVG too."""
    intro = f"Shop {found.shop}, {found.split} queries, recipe {found.recipe}. {CAPTION}"
    sheets, kinds = list(result_sheets(found)), kind_sheet(found)
    commands = "\n".join(f"- **{line.row.name}**: `{line.command}`" for line in found.lines if line.command)
    text = [f"# SMAR on {found.shop}", intro, *(sheet.markdown() for sheet in (*sheets, kinds))]
    write_text(out / "table.md", "\n\n".join([*text, f"## Commands\n\n{commands}"]) + "\n")
    parts = [
        f"<p>{html.escape(intro)}</p>",
        *(sheet.html() for sheet in sheets),
        "<h2>Plots</h2>",
        *(_figure(path, words) for path, words in _plots(found, evidence, out / "plots")),
    ]
    if found.gate is not None:
        texts = {query.query_id: query.text for query in evidence.shop.queries(evidence.split)}
        first = {name: evidence.values[name][0] for name in (_GATE, _ALWAYS, _NEVER)}
        parts += [
            "<h2>Words that the gate follows</h2>",
            words_of_the_gate(first[_GATE], texts),
            "<h2>Where the image won, and where it lost</h2>",
            "<p>The first hits with text vectors above those with the image; relevant ones are framed.</p>",
            *shelves(evidence.shop, evidence.split, first[_ALWAYS], first[_NEVER]),
        ]
    parts += [kinds.html(), "<h2>Commands</h2>", _commands(found)]
    title = f"SMAR on {found.shop}"
    write_text(out / "report.html", _PAGE.format(title=html.escape(title), body="\n".join(parts)))


def _plots(found: Reproduction, evidence: Evidence, folder: Path) -> Iterator[tuple[Path, str]]:
    values, first = evidence.values, next(iter(evidence.values.values()))[0]
    qrels = evidence.shop.qrels(evidence.split)
    relevant = [{item for item, grade in qrels[query].items() if grade >= 1} for query in first["query_id"]]
    curves = {name: _recalls(values[name], relevant) for name in _CURVES if name in values}
    yield plots.recall_by_depth(curves, folder), "Recall by how many items are shown."
    if evidence.metrics is not None:
        yield (
            plots.training_curves(evidence.metrics, folder),
            "Losses, and validations on held-out clicks, of one run.",
        )
    if len(evidence.by_weights) >= _WEIGHTS_TO_SHOW:
        yield (
            plots.weight_surface(evidence.by_weights, "nDCG@10", folder),
            "How the weights of the three tasks in stage one matter (first seed).",
        )
    if found.gate is None:
        return
    means = {
        line.row.name: {group: line.found[group].mean["nDCG@10"] for group in found.groups}
        for line in found.lines
        if line.row.part == "gate"
    }
    yield plots.gate_against_oracle(means, folder), "The gate against its rivals and its limit."
    gain = _mean(values[_ALWAYS]) - _mean(values[_NEVER])
    kinds = first["kind"].fill_null("(none)").to_numpy()
    by_kind = {}
    for kind in sorted(set(kinds)):
        low, high = bootstrap_intervals(gain[kinds == kind][:, None])[:, 0]
        by_kind[str(kind)] = (float(gain[kinds == kind].mean()), float(low), float(high))
    yield plots.gain_by_kind(by_kind, folder), "What the image adds or costs, by kind of query."
    gates = np.mean([table["gate"].to_numpy() for table in values[_GATE]], axis=0)
    yield (
        plots.gate_by_kind({kind: gates[kinds == kind] for kind in by_kind}, found.gate.threshold, folder),
        "The gate's value by kind of query.",
    )
    if found.gate.calibration is not None:
        words = (
            "Of the queries for which it makes a difference: how often the image did rank better (nDCG@10)."
        )
        yield plots.calibration(found.gate.calibration, folder), words


def _recalls(tables: Sequence[pl.DataFrame], relevant: Sequence[set[str]]) -> plots.Floats:
    """Mean recall at 1, 2, ... over queries and seeds."""
    depth = max(len(items) for table in tables for items in table["found"].to_list())
    sums = np.zeros(depth)
    for table in tables:
        for items, wanted in zip(table["found"].to_list(), relevant, strict=True):
            hits = np.zeros(depth)
            hits[: len(items)] = [item in wanted for item in items]
            sums += hits.cumsum() / len(wanted)
    return sums / (len(tables) * len(relevant))


def _commands(found: Reproduction) -> str:
    rows = [
        f"<dt>{html.escape(line.row.name)}</dt><dd><code>{html.escape(line.command)}</code></dd>"
        for line in found.lines
        if line.command
    ]
    return f"<dl>{''.join(rows)}</dl>"


def _mean(tables: Sequence[pl.DataFrame]) -> plots.Floats:
    mean: plots.Floats = np.mean([table["nDCG@10"].to_numpy() for table in tables], axis=0)
    return mean


def _figure(path: Path, words: str) -> str:
    source = data_url(path.read_bytes(), "image/png")
    return f'<figure class="plot"><img src="{source}" alt="{words}"><figcaption>{words}</figcaption></figure>'


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; color: #1d1d1f; max-width: 1150px; margin: 2rem auto; padding: 0 1rem }}
h1, h2 {{ font-weight: 600 }} h2 {{ margin-top: 2.5rem }}
table {{ border-collapse: collapse; font-size: 13px; display: block; overflow-x: auto }}
td, th {{ padding: .3rem .6rem; border-bottom: 1px solid #e4e4e7; text-align: right; vertical-align: top }}
td:first-child, th:first-child {{ text-align: left }}
td small {{ display: block; color: #71717a; white-space: nowrap }}
th.part {{ background: #f4f4f5; text-transform: capitalize }}
tr.ours td {{ background: #eef5ff; font-weight: 600 }} tr.ours small {{ font-weight: 400 }}
figure.plot {{ display: inline-block; margin: 1rem 1rem 1rem 0; vertical-align: top }}
figure.plot img {{ max-width: 100%; max-height: 340px }}
figcaption {{ color: #52525b; font-size: 13px }}
.shelf {{ display: flex; gap: .6rem; margin-bottom: .5rem; flex-wrap: wrap }}
.shelf figure {{ width: 122px; margin: 0; border: 3px solid transparent; border-radius: 6px; overflow: hidden }}
.shelf img {{ width: 100%; display: block }}
.shelf figcaption {{ font-size: 11px; padding: 2px; overflow-wrap: anywhere }}
.shelf .relevant {{ border-color: #2f9e5b }}
section {{ border-left: 3px solid #e4e4e7; padding-left: 1rem; margin-bottom: 1.5rem }}
code {{ font-size: 12px; overflow-wrap: anywhere }} dt {{ font-weight: 600; margin-top: .6rem }}
</style></head><body><h1>{title}</h1>
{body}
</body></html>
"""
