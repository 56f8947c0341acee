"""`smar reproduce`: measures the rows asked for and writes the table. Knows the order of things."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from smar.data.shop import Shop
from smar.errors import ConfigError
from smar.experiment.config import ExperimentConfig
from smar.experiment.reproduce.grid import MEASURES, Grid
from smar.experiment.reproduce.report import Evidence, write_report
from smar.experiment.reproduce.rows import SMAR, choose
from smar.experiment.reproduce.table import Reproduction, build_lines, check_groups
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

    Stopped at any moment and called again, it goes on: models are kept in `runs`, values per query in `out`/values.

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
    grid = Grid(shop, recipe, split, runs, out / "values", cache)
    cells = grid.cells(rows, seeds)
    grid.measure(cells)
    tables = {row: [grid.values(cell) for cell in cells if cell.row == row] for row in rows}
    commands = {cell.row: cell.command for cell in reversed(cells)}
    lines = build_lines(tables, commands, config.groups, MEASURES, SMAR)
    found = Reproduction(shop.folder.name, split, recipe.name, MEASURES, lines)
    write_text(out / "table.json", json.dumps(found.to_json(), indent=2) + "\n")
    write_text(out / "table.md", found.markdown())
    metrics = next(cell.run for cell in cells if cell.row == SMAR) / "metrics.jsonl"
    evidence = Evidence(
        shop,
        split,
        {row.name: of_row for row, of_row in tables.items()},
        metrics if metrics.exists() else None,
        config.model.gate.threshold,
    )
    write_report(found, evidence, out)
    return found
