"""Trains and judges what a table's rows need, each model once, and keeps every value that was measured.

Knows rows, runs and judged queries; nothing of tables. What was measured before is not measured again, here or where
its values were taken to: they are small enough to be published, and name no item.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from smar.data.records import Query
from smar.data.shop import Shop
from smar.evaluation.evaluate import Retriever, evaluate_run, retrieve
from smar.evaluation.run import Run
from smar.experiment.config import ExperimentConfig
from smar.experiment.reproduce.ranks import ranking_of, ranks_of
from smar.experiment.reproduce.rows import Row
from smar.experiment.runs import CONFIG, SUMMARY, open_run
from smar.experiment.train import train
from smar.files import digest, whole_file
from smar.model.smar import SMAR
from smar.progress import console
from smar.retrieval.engine import SearchEngine
from smar.retrieval.lexical import BM25
from smar.retrieval.spelling import Spelling

MEASURES = ("R@50", "P@50", "F1@50", "nDCG@10", "RR@10")
DEPTH = 100


@dataclass(frozen=True)
class Cell:
    """One row with one seed: the settings of its model, and where its run and its values are kept."""

    row: Row
    seed: int
    config: ExperimentConfig
    run: Path
    values: Path
    """Measures, and the ranks of relevant items."""
    found: Path
    """The items that were found, relevant or not; not needed but to show them."""
    command: str


@dataclass(frozen=True)
class Grid:
    """Everything to measure: rows and seeds over one shop, one recipe and one split of judged queries."""

    shop: Shop
    recipe: Path
    split: str
    runs: Path
    out: Path
    """Gets the values, in `values` and `found`."""
    cache: Path | None = None

    @cached_property
    def qrels(self) -> Mapping[str, Mapping[str, int]]:
        """The judgements of the split."""
        return self.shop.qrels(self.split)

    def cells(self, rows: Sequence[Row], seeds: int) -> list[Cell]:
        """One cell a row and seed; rows that are not main, or not trained, have the first seed alone.

        A row that takes away what the recipe does not have is an earlier row again: it has no cell, and that is said.
        """
        found: dict[Path, Cell] = {}
        for row in rows:
            for seed in range(seeds if row.is_main else 1):
                cell = self._cell(row, seed)
                same = found.setdefault(cell.values, cell)
                if same is not cell:
                    _say(f"{row.name}: by this recipe the same as {same.row.name}, and left out")
        return list(found.values())

    def measure(self, cells: Sequence[Cell]) -> None:
        """Train and judge every cell that has no values yet; cells of one model follow one another."""
        by_model: dict[Path | None, list[Cell]] = {}
        for cell in cells:
            if not cell.values.exists():
                by_model.setdefault(cell.run if cell.row.is_trained else None, []).append(cell)
        for place, group in enumerate(by_model.values(), start=1):
            _say(f"{place} of {len(by_model)}: {group[0].row.name}, seed {group[0].seed}")
            for cell, retrievers in self._retrievers(group):
                self._judge(cell, retrievers)

    def values(self, cell: Cell) -> pl.DataFrame:
        """A row a judged query, by query id: query_id, department, kind, MEASURES, `gate`, `found`.

        `gate` is P(q), null where the model has none; `found` the best DEPTH item ids, null for the oracle. Where only
        the ranks of relevant items were kept, what stands between them is unknown (`smar.experiment.reproduce.ranks`).
        """
        table = pl.read_parquet(cell.values)
        if cell.found.exists():
            return table.drop("ranks").join(pl.read_parquet(cell.found), on="query_id", maintain_order="left")
        found = [
            None if ranks is None else ranking_of(ranks, self._relevant(query_id), DEPTH)
            for query_id, ranks in table.select("query_id", "ranks").iter_rows()
        ]
        return table.drop("ranks").with_columns(pl.Series("found", found, dtype=pl.List(pl.String)))

    def perfect(self) -> pl.DataFrame:
        """The values of a ranking by the judgements; `found` is null, since of equally good items any may be first."""
        queries, qrels = self.shop.queries(self.split), self.qrels
        run = Run.build(
            "judgements",
            {query_id: sorted(of.items(), key=lambda one: -one[1])[:DEPTH] for query_id, of in qrels.items()},
        )
        table = evaluate_run(run, queries, qrels, MEASURES).per_query
        return table.with_columns(
            pl.lit(None, pl.Float64).alias("gate"),
            pl.lit(None, pl.List(pl.String)).alias("found"),
        )

    def _cell(self, row: Row, seed: int) -> Cell:
        changes = [*row.changes]
        if not row.has_stage_two:
            recipe = ExperimentConfig.load(self.recipe)
            epochs = recipe.pretraining.loop.epochs + recipe.adaptation.loop.epochs
            changes.append(f"pretraining.loop.epochs={epochs}")
        changes += [f"{name}.seed={seed}" for name in ("model", "pretraining.loop", "adaptation.loop")]
        config = ExperimentConfig.load(self.recipe, changes)
        # What only shows in the table trains nothing anew, nor does a setting that was added at its default.
        settings = config.model_dump_json(exclude={"groups"}, exclude_defaults=True)
        model = digest(settings, self.shop.fingerprint)[:12]
        asked = digest(model, self.split, row.ask, *MEASURES, str(DEPTH), "spaces corrected", "ranks")[:12]
        command = _command(self.shop.folder, self.recipe, changes, row, self.split)
        values, found = (self.out / kept / f"{asked}.parquet" for kept in ("values", "found"))
        return Cell(row, seed, config, self.runs / model, values, found, command)

    def _relevant(self, query_id: str) -> list[str]:
        return sorted(item for item, grade in self.qrels[query_id].items() if grade >= 1)

    def _retrievers(self, cells: Sequence[Cell]) -> Iterator[tuple[Cell, dict[str, Retriever]]]:
        if not cells[0].row.is_trained:
            yield cells[0], {"words": BM25.build(self.shop.catalog)}
            return
        run, config = cells[0].run, cells[0].config
        if not (run / SUMMARY).exists():
            others = sorted(run.parent.iterdir()) if run.parent.exists() else []
            train(self.shop, config, run, self.cache, resume=(run / CONFIG).exists(), others=others)
        model = open_run(run).model
        model.cache = self.cache or model.cache
        engine = SearchEngine.build(model, self.shop.catalog, config.index)
        engine.spelling = Spelling.of(self.shop.catalog, self.shop.clicks(config.clicks))
        for cell in cells:
            ask = cell.row.ask
            modes = ("always", "never") if ask == "oracle" else (ask,)
            yield cell, {mode: engine.with_image_mode(mode) for mode in modes}  # type: ignore[arg-type]

    def _judge(self, cell: Cell, retrievers: dict[str, Retriever]) -> None:
        queries, qrels = self.shop.queries(self.split), self.qrels
        runs = [retrieve(retriever, queries, DEPTH) for retriever in retrievers.values()]
        tables = [evaluate_run(run, queries, qrels, MEASURES).per_query for run in runs]
        ids = tables[0]["query_id"].to_list()
        best = np.max([table.select(MEASURES).to_numpy() for table in tables], axis=0)
        ranks = None
        if len(runs) == 1:
            found = [runs[0].item_ids(query_id) for query_id in ids]
            with whole_file(cell.found) as path:
                pl.DataFrame({"query_id": ids, "found": found}).write_parquet(path)
            pairs = zip(ids, found, strict=True)
            ranks = [ranks_of(self._relevant(query_id), items) for query_id, items in pairs]
        table = tables[0].with_columns(
            *(pl.Series(name, best[:, place]) for place, name in enumerate(MEASURES)),
            pl.Series("gate", _gates(retrievers, queries, ids), dtype=pl.Float64),
            pl.Series("ranks", ranks or [None] * len(ids), dtype=pl.List(pl.UInt8)),
        )
        with whole_file(cell.values) as path:
            table.write_parquet(path)


def _gates(
    retrievers: dict[str, Retriever], queries: Sequence[Query], ids: Sequence[str]
) -> list[float | None]:
    """P(q) of the queries called `ids`, if there is a gate."""
    engine = next(iter(retrievers.values()))
    if (
        not isinstance(engine, SearchEngine)
        or not isinstance(engine.model, SMAR)
        or not engine.model.has_gate
    ):
        return [None] * len(ids)
    gates = engine.model.embed_queries(engine.read([query.text for query in queries])).gate.tolist()
    by_id = dict(zip([query.query_id for query in queries], gates, strict=True))
    return [by_id[query_id] for query_id in ids]


def _command(shop: Path, recipe: Path, changes: Sequence[str], row: Row, split: str) -> str:
    """What to type for this row alone, with its first seed."""
    if row.ask == "words":
        return shlex.join(["smar", "evaluate", str(shop), "--bm25", "--split", split])
    run = "runs/" + "-".join(re.findall(r"[a-z0-9]+", row.name.casefold()))
    sets = [word for change in changes for word in ("--set", change)]
    trained = ["smar", "train", str(shop), "--config", str(recipe), *sets, "--out", run]
    modes = ["always", "never"] if row.ask == "oracle" else [row.ask]
    images = [word for mode in modes for word in ("--image", mode)]
    judged = ["smar", "evaluate", str(shop), run, "--split", split, *images]
    return " && ".join(shlex.join(step) for step in (trained, ["smar", "index", str(shop), run], judged))


def _say(text: str) -> None:
    console.rule(text, align="left")
