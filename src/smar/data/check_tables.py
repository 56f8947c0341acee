"""Every fault of a shop's tables, one table at a time.

Knows what each table must hold; opens no image, and does not print.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from smar.data.catalog import ITEM_COLUMNS, Catalog, item_faults
from smar.data.columns import DTYPES, Column, cast, cell_faults, missing_columns, show
from smar.data.events import CLICK_COLUMNS, EVENT_COLUMNS, EVENT_KINDS, LONG_LOG, negative_counts
from smar.data.judgments import (
    GRADE_COLUMNS,
    LINE_SUFFIXES,
    QUERY_COLUMNS,
    grade_faults,
    query_faults,
    read_judged,
)
from smar.data.records import Fault, Severity
from smar.data.tables import Chunks, open_chunks
from smar.data.textfiles import file_faults, line_offset, write_readable
from smar.errors import DataError
from smar.progress import track

# Kept of each kind; all are counted.
KEPT_FAULTS = 100_000
LOG_COLUMNS = (*EVENT_COLUMNS, Column("user_id"), Column("position", "whole"), Column("price", "number"))


class Findings:
    """Faults as they are found: all are counted, the first of each kind are kept."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.counts: Counter[str] = Counter()

    def add(self, faults: Iterable[Fault]) -> None:
        """Count `faults`, and keep those of kinds that are not plentiful yet."""
        for fault in faults:
            self.counts[fault.kind] += 1
            if self.counts[fault.kind] <= KEPT_FAULTS:
                self.faults.append(fault)


@dataclass(frozen=True)
class OpenTable:
    """A table that can be read, if need be with its unreadable rows (`broken`) left empty."""

    path: Path
    chunks: Chunks
    broken: frozenset[int]
    offset: int | None
    findings: Findings

    def pieces(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """The table piece by piece, each with the number of rows before it; a long table shows a bar."""
        if self.chunks.rows <= LONG_LOG:
            return iter(self.chunks)
        return track(self.chunks, f"check {self.path.name}", len(self.chunks))

    def report(self, faults: Iterable[Fault]) -> None:
        """Add faults in the order of rows, with their lines; an unreadable row was reported as that alone."""
        for fault in sorted(faults, key=lambda fault: fault.row or 0):
            if fault.row in self.broken:
                continue
            line = None if fault.row is None or self.offset is None else fault.row + self.offset
            self.findings.add([replace(fault, line=line)])


@dataclass(frozen=True, slots=True)
class Rule:
    """What to say of each row that a condition picks: the cell of `field`, then `message`."""

    kind: str
    field: str
    message: str
    severity: Severity = "error"


NEGATIVE_PRICE = Rule("negative price", "price", "is below 0", "note")
UNKNOWN_EVENT = Rule("unknown event", "event", f"is none of {', '.join(EVENT_KINDS)}")
UNKNOWN_ITEM = Rule("unknown item", "item_id", "is not among the shop's items")
UNKNOWN_QUERY = Rule("unknown query", "query_id", "is not among the split's queries")
LOW_POSITION = Rule("position below 1", "position", "is below 1; positions start at 1", "note")
UNORDERED = Rule(
    "out of order", "timestamp", "is before an earlier row's; rows are best in order of time", "note"
)


@dataclass(frozen=True)
class CheckedItems:
    """The sound ones of a table of items, of so many `rows`; `photos` has the `row` and `image` of theirs."""

    file: str
    rows: int
    catalog: Catalog
    photos: pl.DataFrame

    @classmethod
    def none(cls, folder: Path) -> CheckedItems:
        """What an unusable table leaves."""
        table = pl.DataFrame(schema={column.name: DTYPES[column.kind] for column in ITEM_COLUMNS})
        photos = pl.DataFrame(schema={"row": pl.UInt32, "image": pl.String})
        return cls("items", 0, Catalog.from_table(table, folder), photos)


def check_items(path: Path, findings: Findings) -> CheckedItems:
    """Find every fault of the items."""
    with _open(path, ITEM_COLUMNS, findings) as table:
        raw = pl.concat([piece for _, piece in table.pieces()])
        typed = cast(raw, ITEM_COLUMNS)
        faults = cell_faults(raw, typed, ITEM_COLUMNS, path.name) + item_faults(typed, path.name)
        table.report(faults + _picked(typed, pl.col("price") < 0, NEGATIVE_PRICE, path.name))
    unsound = {fault.row for fault in faults if fault.row is not None} | table.broken
    sound = typed.with_row_index("row", 1).filter(
        ~pl.col("row").is_in(sorted(unsound)), pl.col("item_id").is_not_null(), pl.col("title").is_not_null()
    )
    photos = sound.select("row", "image").drop_nulls()
    catalog = Catalog.from_table(sound.drop("row"), path.parent, path.name)
    return CheckedItems(path.name, typed.height, catalog, photos)


def check_events(path: Path, catalog: Catalog, findings: Findings) -> None:
    """Find every fault of the raw events."""
    known = catalog.table["item_id"].implode()
    latest = pl.Series("timestamp", [None], dtype=DTYPES["time"])
    with _open(path, LOG_COLUMNS, findings) as table:
        for start, raw in table.pieces():
            typed, first = cast(raw, LOG_COLUMNS), start + 1
            times = pl.concat([latest, typed["timestamp"]]).cum_max().forward_fill()
            typed, latest = typed.with_columns(latest=times.head(typed.height)), times.tail(1)
            faults = cell_faults(raw, typed, LOG_COLUMNS, path.name, first)
            for condition, rule in (
                (~pl.col("event").is_in(EVENT_KINDS), UNKNOWN_EVENT),
                (~pl.col("item_id").is_in(known), UNKNOWN_ITEM),
                (pl.col("position") < 1, LOW_POSITION),
                (pl.col("timestamp") < pl.col("latest"), UNORDERED),
            ):
                faults += _picked(typed, condition, rule, path.name, first)
            table.report(faults)


def check_clicks(path: Path, catalog: Catalog, findings: Findings) -> None:
    """Find every fault of pairs that are counted already."""
    is_unknown = ~pl.col("item_id").is_in(catalog.table["item_id"].implode())
    with _open(path, CLICK_COLUMNS, findings) as table:
        for start, raw in table.pieces():
            typed, first = cast(raw, CLICK_COLUMNS), start + 1
            faults = cell_faults(raw, typed, CLICK_COLUMNS, path.name, first)
            faults += negative_counts(typed, path.name, first)
            table.report(faults + _picked(typed, is_unknown, UNKNOWN_ITEM, path.name, first))


def check_queries(path: Path, findings: Findings) -> pl.DataFrame:
    """Find every fault of a split's queries; give the table."""
    with _open(path, QUERY_COLUMNS, findings) as table:
        raw = pl.concat([piece for _, piece in table.pieces()])
        typed = cast(raw, QUERY_COLUMNS)
        table.report(cell_faults(raw, typed, QUERY_COLUMNS, path.name) + query_faults(typed, path.name))
    return typed


def check_grades(path: Path, queries: pl.DataFrame | None, catalog: Catalog, findings: Findings) -> None:
    """Find every fault of a split's judgments, given the split's queries if they could be read."""
    with _open(path, GRADE_COLUMNS, findings) as table:
        raw = pl.concat([piece for _, piece in table.pieces()])
        typed = cast(raw, GRADE_COLUMNS)
        faults = cell_faults(raw, typed, GRADE_COLUMNS, path.name) + grade_faults(typed, path.name)
        for known, rule in ((queries, UNKNOWN_QUERY), (catalog.table, UNKNOWN_ITEM)):
            if known is not None:
                is_unknown = ~pl.col(rule.field).is_in(known[rule.field].implode())
                faults += _picked(typed, is_unknown, rule, path.name)
        table.report(faults)


@contextmanager
def _open(path: Path, columns: Sequence[Column], findings: Findings) -> Iterator[OpenTable]:
    """Open a table however broken: what keeps it from being read is reported, and the rest can be read."""
    with ExitStack() as stack:
        broken: list[Fault] = []
        if path.suffix[1:] in LINE_SUFFIXES:
            raw, broken = read_judged(path, columns)
            chunks = Chunks(path, raw.lazy(), raw.height, max(1, raw.height))
        else:
            try:
                chunks = stack.enter_context(open_chunks(path, columns))
            except DataError:
                if path.suffix == ".parquet":
                    raise
                broken = list(file_faults(path))
                copy = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="smar-"))) / path.name
                write_readable(path, copy)
                chunks = stack.enter_context(open_chunks(copy, columns))
            findings.add(missing_columns(chunks.names, columns, path.name))
        findings.add(broken)
        rows = frozenset(fault.row for fault in broken if fault.row is not None)
        yield OpenTable(path, chunks, rows, line_offset(path, chunks.rows), findings)


def _picked(table: pl.DataFrame, condition: pl.Expr, rule: Rule, file: str, first: int = 1) -> list[Fault]:
    """A fault for every row that the condition picks; one that is null for a row does not."""
    picked = table.with_row_index("row", first).filter(condition).select("row", rule.field)
    return [
        Fault(rule.kind, f"{show(cell)} {rule.message}", file, row, rule.field, severity=rule.severity)
        for row, cell in picked.iter_rows()
    ]
