"""Judged queries and their grades, in tables or in TREC's own text. Knows no catalogue and no ranking."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import polars as pl

from smar.data.columns import Column, cast, cell_faults, missing_columns
from smar.data.records import Fault, Judgment, Query, refuse
from smar.data.tables import collect, scan
from smar.errors import DataError
from smar.files import write_text

QUERY_COLUMNS = (
    Column("query_id", needed=True, filled=True),
    Column("query", needed=True, filled=True),
    Column("department"),
    Column("kind"),
)
GRADE_COLUMNS = (
    Column("query_id", needed=True, filled=True),
    Column("item_id", needed=True, filled=True),
    Column("grade", "whole", needed=True, filled=True),
)
QUERY_SUFFIXES = ("parquet", "csv", "jsonl", "tsv")
TREC_NAMES = ("query_id", "iteration", "item_id", "grade")
TREC_SUFFIXES = ("trec", "txt", "qrels")
LINE_SUFFIXES = ("tsv", *TREC_SUFFIXES)
GRADE_SUFFIXES = ("parquet", "csv", "jsonl", *TREC_SUFFIXES)


class Qrels(Mapping[str, Mapping[str, int]]):
    """The grades of items by query id: `qrels["q1"]["item-7"]`; an item without a grade was not judged."""

    def __init__(self, grades: Mapping[str, Mapping[str, int]]) -> None:
        self._grades = grades

    @classmethod
    def from_table(cls, table: pl.DataFrame, file: str = "qrels") -> Self:
        """Check and take a table of `query_id`, `item_id` and `grade`.

        Raises:
            DataError: a column or a value is missing, a grade is no whole number, or a pair is judged twice;
                `file` names the table in the message.
        """
        refuse(missing_columns(table.columns, GRADE_COLUMNS, file))
        checked = cast(table, GRADE_COLUMNS)
        refuse(cell_faults(table, checked, GRADE_COLUMNS, file))
        refuse(grade_faults(checked, file))
        grades: dict[str, dict[str, int]] = {}
        for query_id, item_id, grade in checked.sort("query_id", "item_id").iter_rows():
            grades.setdefault(query_id, {})[item_id] = grade
        return cls(grades)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a table, or TREC's `query_id 0 item_id grade` from a file named .trec, .txt or .qrels.

        Raises:
            DataError: the file cannot be read, or `from_table` refuses it.
        """
        raw, faults = read_judged(path, GRADE_COLUMNS)
        refuse(faults)
        return cls.from_table(raw, path.name)

    def __getitem__(self, query_id: str) -> Mapping[str, int]:
        return self._grades[query_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._grades)

    def __len__(self) -> int:
        return len(self._grades)

    def __repr__(self) -> str:
        return f"Qrels({len(self):,} queries, {sum(map(len, self.values())):,} judgments)"

    @property
    def judgments(self) -> Iterator[Judgment]:
        """Every judgment, by query id and item id."""
        return (
            Judgment(query_id, item_id, grade)
            for query_id, grades in self.items()
            for item_id, grade in grades.items()
        )

    def to_trec(self, path: Path) -> None:
        """Write TREC's `query_id 0 item_id grade`, which every evaluation tool reads.

        Raises:
            DataError: an id holds a space, which the format cannot express.
        """
        lines = []
        for judged in self.judgments:
            if len(judged.query_id.split()) != 1 or len(judged.item_id.split()) != 1:
                raise DataError(
                    f"{path.name}: {judged} has a space in an id; TREC files cannot express it, use parquet"
                )
            lines.append(f"{judged.query_id} 0 {judged.item_id} {judged.grade}\n")
        write_text(path, "".join(lines))


def read_queries(path: Path) -> list[Query]:
    """Read judged queries from a table, or `query_id<TAB>text` from a .tsv file, with or without a header.

    Raises:
        DataError: the file cannot be read, a value is missing, or an id is given twice.
    """
    raw, faults = read_judged(path, QUERY_COLUMNS)
    table = cast(raw, QUERY_COLUMNS)
    refuse(faults or cell_faults(raw, table, QUERY_COLUMNS, path.name) + query_faults(table, path.name))
    return [Query(*row) for row in table.iter_rows()]


def read_judged(path: Path, columns: Sequence[Column]) -> tuple[pl.DataFrame, list[Fault]]:
    """The raw table of queries or grades, and the faults that keep it from having `columns`.

    Raises:
        DataError: a parquet, csv or jsonl file that its reader refuses.
    """
    if path.suffix == ".tsv":
        raw, faults = split_lines(path, tuple(column.name for column in columns[:2]), "\t")
    elif path.suffix[1:] in TREC_SUFFIXES:
        raw, faults = split_lines(path, TREC_NAMES, None)
    else:
        raw, faults = collect(scan(path, columns), path), []
    return raw, faults + missing_columns(raw.columns, columns, path.name)


def query_faults(table: pl.DataFrame, file: str, first: int = 1) -> list[Fault]:
    """Query ids given twice, in a table typed by `QUERY_COLUMNS`."""
    rows = table.select("query_id").with_row_index("row", first).filter(pl.col("query_id").is_not_null())
    return [
        Fault("duplicate query_id", f"{query_id!r} is there already; ids are unique", file, row, "query_id")
        for row, query_id in rows.filter(~pl.col("query_id").is_first_distinct()).iter_rows()
    ]


def grade_faults(table: pl.DataFrame, file: str, first: int = 1) -> list[Fault]:
    """Negative grades and pairs judged twice, in a table typed by `GRADE_COLUMNS`."""
    rows = table.with_row_index("row", first)
    faults = [
        Fault(
            "negative grade", f"{grade} is below 0; write 0 for an item that is no answer", file, row, "grade"
        )
        for row, grade in rows.filter(pl.col("grade") < 0).select("row", "grade").iter_rows()
    ]
    pair = pl.struct("query_id", "item_id")
    known = pl.col("query_id").is_not_null() & pl.col("item_id").is_not_null()
    for row, query_id, item_id in rows.filter(known & ~pair.is_first_distinct()).drop("grade").iter_rows():
        message = f"{query_id!r} and {item_id!r} are judged already; keep one grade"
        faults.append(Fault("judged twice", message, file, row))
    return sorted(faults, key=lambda fault: fault.row or 0)


def split_lines(path: Path, names: Sequence[str], separator: str | None) -> tuple[pl.DataFrame, list[Fault]]:
    """A table from lines of cells between `separator` (none: any spaces), and the lines that do not fit.

    A first line that starts with `query_id` names the columns. A line that does not fit is a row of nulls.
    """
    rows: list[list[str | None]] = []
    faults = []
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            text = raw.decode("utf-8-sig" if number == 1 else "utf-8", errors="replace").rstrip("\r\n")
            cells = text.split(separator)
            if number == 1 and cells[0] == "query_id":
                names = cells
                continue
            if not text.strip():
                continue
            kind, message = (
                "malformed row",
                f"has {len(cells)} cells, expected {len(names)}: {' '.join(names)}",
            )
            if "\ufffd" in text and not _is_utf8(raw):
                kind, message = "not UTF-8", "holds bytes that are not UTF-8; save the file as UTF-8"
            elif len(cells) == len(names):
                rows.append([*cells])
                continue
            rows.append([None] * len(names))
            faults.append(Fault(kind, message, path.name, len(rows), None, number))
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row"), faults


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
