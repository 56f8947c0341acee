"""A shop's folder, opened: its items, what shoppers clicked, and how queries were judged. Knows no model."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from smar.data.catalog import Catalog
from smar.data.clicks import ClickConfig, ClickLog, normalise_query
from smar.data.events import read_clicks, read_events
from smar.data.judgments import GRADE_SUFFIXES, QUERY_SUFFIXES, Qrels, read_queries
from smar.data.records import Query
from smar.data.tables import find_table
from smar.errors import DataError
from smar.files import digest


class Shop:
    """A folder of tables and images as docs/data-format.md describes it."""

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        self.folder = folder
        self.catalog = catalog

    @classmethod
    def open(cls, folder: str | Path) -> Self:
        """Read the shop's items; its clicks and judgments are read when asked for.

        Raises:
            DataError: there is no such folder, or its items cannot be used (up to 20 faults are named).
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise DataError(
                f"{folder}: is no folder; give the one that holds a shop's items.parquet, .csv or .jsonl"
            )
        return cls(folder, Catalog.read(folder))

    def __repr__(self) -> str:
        judged = ", ".join(self.splits) or "nothing"
        return f"Shop({self.folder.name}: {len(self.catalog):,} items, judged: {judged})"

    @property
    def splits(self) -> list[str]:
        """The names of the judged sets: "dev" for `queries.dev.parquet`."""
        return judged_splits(self.folder)

    @property
    def items_written(self) -> float:
        """When the table of items was last written, in Unix time."""
        path = find_table(self.folder, "items")
        return 0.0 if path is None else path.stat().st_mtime

    @property
    def has_log(self) -> bool:
        """Whether there are events or clicks to learn from."""
        return any(find_log(self.folder))

    def clicks(self, config: ClickConfig = ClickConfig()) -> ClickLog:  # noqa: B008 (frozen)
        """Count the shop's `events` table (or take its `clicks` table) as training pairs.

        Raises:
            DataError: the shop has neither table or both, or it cannot be read.
            ConfigError: a date range is asked of a `clicks` table, which has no dates.
        """
        judged = self._judged_queries if config.leave_out_judged else frozenset()
        events, clicks = find_log(self.folder)
        if events is not None:
            return read_events(events, self.catalog, config, judged)
        if clicks is not None:
            return read_clicks(clicks, self.catalog, config, judged)
        raise DataError(
            f"{self.folder}: has no events and no clicks table; training needs one (docs/data-format.md)"
        )

    def queries(self, split: str) -> list[Query]:
        """The judged queries of a split.

        Raises:
            DataError: the shop has no such split, or its file cannot be read.
        """
        return read_queries(self._judged_file("queries", split, QUERY_SUFFIXES))

    def qrels(self, split: str) -> Qrels:
        """The judgments of a split.

        Raises:
            DataError: the shop has no such split, or its file cannot be read.
        """
        return Qrels.read(self._judged_file("qrels", split, GRADE_SUFFIXES))

    @cached_property
    def fingerprint(self) -> str:
        """A digest of the items and of the bytes of every other table; images are not read."""
        tables = [path for path in find_log(self.folder) if path is not None]
        for split in self.splits:
            for name, suffixes in (("queries", QUERY_SUFFIXES), ("qrels", GRADE_SUFFIXES)):
                path = find_table(self.folder, f"{name}.{split}", suffixes)
                tables += [] if path is None else [path]
        return digest(self.catalog.fingerprint, *(f"{path.name}={_file_digest(path)}" for path in tables))

    @property
    def _judged_queries(self) -> frozenset[str]:
        return frozenset(
            normalise_query(query.text) for split in self.splits for query in self.queries(split)
        )

    def _judged_file(self, name: str, split: str, suffixes: tuple[str, ...]) -> Path:
        path = find_table(self.folder, f"{name}.{split}", suffixes)
        if path is None:
            known = ", ".join(self.splits) or "none"
            raise DataError(
                f"{self.folder}: has no {name}.{split}.* ({'|'.join(suffixes)}); splits there are: {known}"
            )
        return path


def find_log(folder: Path) -> tuple[Path | None, Path | None]:
    """The `events` and the `clicks` table of a folder; at most one is there.

    Raises:
        DataError: both are there.
    """
    events, clicks = find_table(folder, "events"), find_table(folder, "clicks")
    if events is not None and clicks is not None:
        raise DataError(f"{folder}: has {events.name} and {clicks.name}; keep the one to learn from")
    return events, clicks


def judged_splits(folder: Path, name: Literal["queries", "qrels"] = "queries") -> list[str]:
    """The names of the splits that a folder has a file of queries (or of judgments) for, sorted."""
    suffixes = QUERY_SUFFIXES if name == "queries" else GRADE_SUFFIXES
    files = [path.name for path in folder.glob(f"{name}.*.*") if path.suffix[1:] in suffixes]
    return sorted({file.removeprefix(f"{name}.").rsplit(".", 1)[0] for file in files})


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
