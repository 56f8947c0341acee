"""`smar reproduce`: measures the rows asked for and writes the table. Knows the order of things."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from smar.data.shop import Shop
from smar.errors import ConfigError
from smar.experiment.config import ExperimentConfig
from smar.experiment.reproduce.gate import Modes, gate_findings
from smar.experiment.reproduce.grid import MEASURES, Cell, Grid
from smar.experiment.reproduce.plots import Weights
from smar.experiment.reproduce.report import Evidence, write_report
from smar.experiment.reproduce.rows import ALWAYS, NEVER, PERFECT, SMAR, Row, choose
from smar.experiment.reproduce.slices import group_slices, recalls
from smar.experiment.reproduce.table import TESTED, Reproduction, build_lines, check_groups, group_places
from smar.files import write_text


def reproduce(
    shop: Shop,
    recipe: Path,
    out: Path,
    *,
    runs: Path,
    only: Sequence[str] = (),
    seeds: int = 3,
    split: str = "dev",
    cache: Path | None = None,
) -> Reproduction:
    """Train, judge and compare the paper's baselines and ablations on a shop; write a report and tables to `out`.

    Stopped at any moment and called again, it goes on: models are kept in `runs`, values per query in `out`/values, and
    what was found, of which the report shows photos, in `out`/found.

    Args:
        shop: judged on the queries of its `split`.
        recipe: the TOML file that the rows change.
        out: where the table goes.
        runs: where models go.
        only: names of rows or parts of the table; all if empty.
        seeds: how often the main rows are trained.
        split: which judged queries.
        cache: where states of frozen encoders are kept.

    Raises:
        ConfigError: the recipe is wrong, or a name of `only` is unknown.
    """
    rows = choose(list(only))
    config = ExperimentConfig.load(recipe)
    if config.model.fusion.kind in ("text", "image"):
        raise ConfigError(
            f"{recipe}: fusion.kind = {config.model.fusion.kind!r} has no gate; give a recipe of SMAR"
        )
    check_groups(config.groups, [query.department for query in shop.queries(split)])
    grid = Grid(shop, recipe, split, runs, out, cache)
    cells = grid.cells(rows, seeds)
    grid.measure(cells)
    tables: dict[Row, list[pl.DataFrame]] = {}
    for cell in cells:
        tables.setdefault(cell.row, []).append(grid.values(cell))
    tables[PERFECT] = [grid.perfect()]
    commands = {PERFECT: ""} | {cell.row: cell.command for cell in reversed(cells)}
    lines = build_lines(tables, commands, config.groups, MEASURES, SMAR)
    first = tables[SMAR][0]
    qrels = {query_id: grid.qrels[query_id] for query_id in first["query_id"]}
    gate = None
    if ALWAYS in tables and NEVER in tables:
        modes = Modes(tables[ALWAYS], tables[NEVER], tables[SMAR])
        gate = gate_findings(modes, qrels, TESTED, config.model.gate.threshold)
    slices = group_slices(shop, split, config.clicks, qrels, group_places(first, config.groups))
    lines = tuple(replace(line, slices=recalls(slices, tables[line.row])) for line in lines)
    sizes = {group: {part.name: len(part.wanted) for part in parts} for group, parts in slices.items()}
    found = Reproduction(shop.folder.name, split, recipe.name, MEASURES, lines, sizes, gate)
    write_text(out / "table.json", json.dumps(found.to_json(), indent=2) + "\n")
    metrics = next(cell.run for cell in cells if cell.row == SMAR) / "metrics.jsonl"
    by_name = {row.name: of_row for row, of_row in tables.items()}
    evidence = Evidence(
        shop, split, by_name, metrics if metrics.exists() else None, _by_weights(cells, tables)
    )
    write_report(found, evidence, out)
    return found


def _by_weights(cells: Sequence[Cell], tables: Mapping[Row, Sequence[pl.DataFrame]]) -> dict[Weights, float]:
    """Mean nDCG@10 by alpha, beta and gamma, of the first seed's models that differ from SMAR's in these alone."""
    reference = next(cell.config for cell in cells if cell.row == SMAR)
    found = {}
    for cell in cells:
        given = cell.config.pretraining
        others = given.model_copy(update=reference.pretraining.model_dump(include={"alpha", "beta", "gamma"}))
        if cell.row.ask == SMAR.ask and cell.config.model_copy(update={"pretraining": others}) == reference:
            found[given.alpha, given.beta, given.gamma] = float(
                tables[cell.row][0]["nDCG@10"].to_numpy().mean()
            )
    return found
