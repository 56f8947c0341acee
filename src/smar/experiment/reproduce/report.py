"""The report: one HTML page that works offline, with the table, the plots, and queries side by side with photos.

Knows the table and the values per query; trains and asks nothing.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from smar.data.clicks import normalise_query
from smar.data.images import ImageUnreadable, read_image
from smar.data.shop import Shop
from smar.evaluation.compare import shown_p
from smar.evaluation.resampling import bootstrap_intervals
from smar.experiment.reproduce import plots
from smar.experiment.reproduce.table import CAPTION, OVERALL, PAPER, TESTED, Found, Reproduction
from smar.files import write_text

_CURVES = ("BM25", "DPSR (text only)", "DPSR-i (image only)", "cross attention", "SMAR")
_GATE, _ALWAYS, _NEVER = "SMAR", "SMAR, always the image", "SMAR, never the image"
_SHOWN = 5
_EXAMPLES = 5
_WORDS = 12
_WORD_QUERIES = 10
_THUMBNAIL = 112


@dataclass(frozen=True)
class Evidence:
    """What was measured: by row the tables of values, one a seed, all of the same queries in the same order."""

    shop: Shop
    split: str
    values: Mapping[str, Sequence[pl.DataFrame]]
    metrics: Path | None
    """The metrics of SMAR's first run, if it is still there."""
    threshold: float


def write_report(found: Reproduction, evidence: Evidence, out: Path) -> None:
    """Write `out`/report.html, with its plots in `out`/plots as PNG and SVG too."""
    parts = [
        _paragraph(f"Shop {found.shop}, {found.split} queries, recipe {found.recipe}. {CAPTION}"),
        *(_group_table(found, group) for group in found.groups),
        _heading("Plots"),
        *(_figure(path, words) for path, words in _plots(found, evidence, out / "plots")),
    ]
    if _has_gate(evidence):
        parts += [_heading("Words that the gate follows"), _words(evidence)]
        parts += [
            _heading("Where the image won, and where it lost"),
            _paragraph(
                "The first hits with text vectors above those with the image; relevant ones are framed."
            ),
            *_examples(evidence),
        ]
    parts += [_heading("Kinds of query"), _kinds(found), _heading("Commands"), _commands(found)]
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
    if not _has_gate(evidence):
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
        plots.gate_by_kind({kind: gates[kinds == kind] for kind in by_kind}, evidence.threshold, folder),
        "The gate's value by kind of query.",
    )
    differs = gain != 0
    if differs.any():
        helped = (gain[differs] > 0).astype(np.float64)
        words = (
            "Of the queries for which it makes a difference: how often the image did rank better (nDCG@10)."
        )
        yield plots.calibration(gates[differs], helped, folder), words


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


def _words(evidence: Evidence) -> str:
    """The words whose queries have the highest and the lowest gates."""
    texts = {query.query_id: query.text for query in evidence.shop.queries(evidence.split)}
    table = evidence.values[_GATE][0]
    gates: dict[str, list[float]] = {}
    for query_id, gate in zip(table["query_id"], table["gate"], strict=True):
        for word in set(normalise_query(texts[query_id]).split()):
            gates.setdefault(word, []).append(gate)
    means = {word: float(np.mean(of)) for word, of in gates.items() if len(of) >= _WORD_QUERIES}
    ranked = sorted(means, key=lambda word: (-means[word], word))
    rows = [
        ("the image", ranked[:_WORDS]),
        ("the text", ranked[max(_WORDS, len(ranked) - _WORDS) :][::-1]),
    ]
    cells = [
        f"<tr><th>{side}</th><td>{', '.join(f'{html.escape(word)} ({means[word]:.2f})' for word in words)}</td></tr>"
        for side, words in rows
    ]
    note = f"Mean gate of the judged queries with a word, for words of {_WORD_QUERIES} queries or more, by seed 0."
    return f"<table>{''.join(cells)}</table>{_paragraph(note)}"


def _examples(evidence: Evidence) -> Iterator[str]:
    """Queries with the largest gain and the largest loss, with the photos of their first hits."""
    always, never = (evidence.values[name][0] for name in (_ALWAYS, _NEVER))
    gain = always["nDCG@10"].to_numpy() - never["nDCG@10"].to_numpy()
    order = np.argsort(-gain, kind="stable")
    texts = {query.query_id: query.text for query in evidence.shop.queries(evidence.split)}
    qrels = evidence.shop.qrels(evidence.split)
    won = [place for place in order[:_EXAMPLES] if gain[place] > 0]
    lost = [place for place in order[::-1][:_EXAMPLES] if gain[place] < 0]
    for title, places in (("Won", won), ("Lost", lost)):
        yield f"<h3>{title}</h3>"
        for place in places:
            query_id, gate = always["query_id"][int(place)], always["gate"][int(place)]
            sides = [table["found"][int(place)].to_list()[:_SHOWN] for table in (never, always)]
            rows = "".join(_shelf(evidence.shop, items, qrels[query_id]) for items in sides)
            words = (
                f"<b>{html.escape(texts[query_id])}</b> gate {gate:.2f}, nDCG@10 {never['nDCG@10'][int(place)]:.2f} "
                f"with text, {always['nDCG@10'][int(place)]:.2f} with the image"
            )
            yield f"<section><p>{words}</p>{rows}</section>"


def _shelf(shop: Shop, items: Sequence[str], wanted: Mapping[str, int]) -> str:
    """A row of products."""
    cells = []
    for item_id in items:
        row = shop.catalog.row(item_id)
        path, title = shop.catalog.image_path(row), html.escape(shop.catalog.item(row).title)
        photo = None if path is None else _photo(path)
        inside = f'<img src="{photo}" alt="">' if photo else ""
        mark = ' class="relevant"' if wanted.get(item_id, 0) >= 1 else ""
        cells.append(f"<figure{mark}>{inside}<figcaption>{title}</figcaption></figure>")
    return f'<div class="shelf">{"".join(cells)}</div>'


def _photo(path: Path) -> str | None:
    """A thumbnail as a data URL; nothing for a photo that cannot be read."""
    try:
        pixels = read_image(path, _THUMBNAIL)
    except ImageUnreadable:
        return None
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=82)
    return _data_url(buffer.getvalue(), "image/jpeg")


def _group_table(found: Reproduction, group: str) -> str:
    """Every row's measures over a group; the paper's figures in small beside those overall."""
    head = "".join(f"<th>{name}</th>" for name in ("", "seeds", *found.measures))
    head += "".join(f"<th>SMAR's lead, {name}</th>" for name in TESTED)
    rows, part = [], ""
    for line in found.lines:
        if line.row.part != part:
            part = line.row.part
            rows.append(f'<tr><th class="part" colspan="{4 + len(found.measures)}">{part}</th></tr>')
        of_group = line.found[group]
        paper = PAPER.get(line.row.name, {}) if group == OVERALL else {}
        cells = "".join(_measured(of_group, name, paper.get(name)) for name in found.measures)
        cells += "".join(_lead(of_group, name) for name in TESTED)
        style = ' class="ours"' if line.row.name == _GATE else ""
        rows.append(f"<tr{style}><td>{html.escape(line.row.name)}</td><td>{line.seeds}</td>{cells}</tr>")
    queries = found.lines[0].found[group].queries
    heading = _heading(f"{group}: {queries:,} queries")
    return f"{heading}<table><tr>{head}</tr>{''.join(rows)}</table>"


def _measured(found: Found, name: str, paper: float | None) -> str:
    low, high = found.interval[name]
    beside = "" if paper is None else f"<small>the paper: {paper:.3f}</small>"
    return f"<td>{found.mean[name]:.3f}<small>{low:.3f} to {high:.3f}</small>{beside}</td>"


def _lead(found: Found, name: str) -> str:
    lead = found.below.get(name)
    if lead is None:
        return "<td></td>"
    return f"<td>{lead.difference:+.3f}<small>p {html.escape(shown_p(lead.p))}</small></td>"


def _kinds(found: Reproduction) -> str:
    kinds = list(found.lines[0].kinds)
    head = "".join(f"<th>{html.escape(kind)}</th>" for kind in ("nDCG@10", *kinds))
    rows = [
        f"<tr><td>{html.escape(line.row.name)}</td>"
        + "".join(f"<td>{line.kinds[kind]['nDCG@10']:.3f}</td>" for kind in kinds)
        + "</tr>"
        for line in found.lines
    ]
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _commands(found: Reproduction) -> str:
    rows = [
        f"<dt>{html.escape(line.row.name)}</dt><dd><code>{html.escape(line.command)}</code></dd>"
        for line in found.lines
    ]
    return f"<dl>{''.join(rows)}</dl>"


def _has_gate(evidence: Evidence) -> bool:
    return all(name in evidence.values for name in (_GATE, _ALWAYS, _NEVER))


def _mean(tables: Sequence[pl.DataFrame]) -> plots.Floats:
    mean: plots.Floats = np.mean([table["nDCG@10"].to_numpy() for table in tables], axis=0)
    return mean


def _figure(path: Path, words: str) -> str:
    source = _data_url(path.read_bytes(), "image/png")
    return f'<figure class="plot"><img src="{source}" alt="{words}"><figcaption>{words}</figcaption></figure>'


def _data_url(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def _heading(words: str) -> str:
    return f"<h2>{html.escape(words)}</h2>"


def _paragraph(words: str) -> str:
    return f"<p>{html.escape(words)}</p>"


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
