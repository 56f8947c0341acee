"""The items of a shop, one row each, sorted by item id. Knows no queries, no clicks and no pixels."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from jaxtyping import Int64

from smar.data.columns import Column, cast, cell_faults, missing_columns
from smar.data.records import Fault, Item, refuse
from smar.data.tables import find_table, read_table, table_digest
from smar.errors import DataError, QueryError

ITEM_COLUMNS = (
    Column("item_id", needed=True, filled=True),
    Column("title", needed=True, filled=True),
    Column("brand"),
    Column("category"),
    Column("description"),
    Column("department"),
    Column("image"),
    Column("price", "number"),
    Column("in_stock", "flag"),
)
CANONICAL = tuple(column.name for column in ITEM_COLUMNS)

# Absolute, through a drive or a home folder, up with `..`, with a backslash or a NUL.
OUTSIDE = r"^[/~]|^[A-Za-z]:|\\|\x00|(^|/)\.\.(/|$)"


class Catalog:
    """Items in the order of their ids, so that a tie broken by row is a tie broken by item id.

    `table` has the columns of `CANONICAL`, empty where the shop gave none, and then its further attributes.
    """

    def __init__(self, table: pl.DataFrame, folder: Path) -> None:
        self.table = table
        self.folder = folder

    @classmethod
    def from_table(cls, table: pl.DataFrame, folder: Path, file: str = "items") -> Self:
        """Check, complete and sort a table of items; image paths in it are relative to `folder`.

        Raises:
            DataError: an id is missing or given twice, a title is empty, a cell has the wrong type, or a path
                to an image leaves the folder; `file` names the table in the message.
        """
        refuse(missing_columns(table.columns, ITEM_COLUMNS, file))
        canonical = cast(table, ITEM_COLUMNS)
        refuse(cell_faults(table, canonical, ITEM_COLUMNS, file))
        refuse(item_faults(canonical, file))
        attributes = [table[name] for name in table.columns if name not in CANONICAL]
        return cls(canonical.with_columns(attributes).sort("item_id"), Path(folder))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read `items.parquet`, `items.csv` or `items.jsonl` of a shop's folder.

        Raises:
            DataError: there is no such file, it cannot be read, or `from_table` refuses it.
        """
        path = find_table(folder, "items")
        if path is None:
            raise DataError(f"{folder}: has no items.parquet, items.csv or items.jsonl (docs/data-format.md)")
        return cls.from_table(read_table(path, ITEM_COLUMNS, extras=True), folder, path.name)

    def __len__(self) -> int:
        return self.table.height

    def __repr__(self) -> str:
        return f"Catalog({len(self):,} items of {self.folder.name})"

    @cached_property
    def item_ids(self) -> list[str]:
        """The id of every row, in order."""
        return self.table["item_id"].to_list()

    @cached_property
    def fingerprint(self) -> str:
        """A digest of every value: the same for the same items, in whatever format and order they are."""
        return table_digest(self.table)

    @property
    def attributes(self) -> list[str]:
        """The names of the columns beyond `CANONICAL`."""
        return self.table.columns[len(CANONICAL) :]

    def item(self, row: int) -> Item:
        """The item of a row."""
        return self.items([row])[0]

    def items(self, rows: Sequence[int] | Int64[np.ndarray, " row"]) -> list[Item]:
        """The items of some rows, in their order."""
        known = len(CANONICAL)
        names = self.attributes
        return [
            Item(
                **dict(zip(CANONICAL, cells[:known], strict=True)),
                attributes=dict(zip(names, cells[known:], strict=True)),
            )
            # A row at a time: to gather some from all columns at once, polars wakes a pool of threads.
            for cells in map(self.table.row, map(int, rows))
        ]

    def rows(self, rows: Sequence[int]) -> Catalog:
        """Some rows as a catalogue of their own, in the order of their ids."""
        return Catalog(self.table[sorted(rows)], self.folder)

    def joined(self, other: Catalog) -> Catalog:
        """The items of both, which share none and have the same columns."""
        return Catalog(pl.concat([self.table, other.table]).sort("item_id"), self.folder)

    def row(self, item_id: str) -> int:
        """The row of an item.

        Raises:
            QueryError: the shop has no such item.
        """
        row = self._rows.get(item_id)
        if row is None:
            raise QueryError(f"there is no item {item_id!r} among the {len(self):,} of this shop")
        return row

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._rows

    def image_path(self, row: int) -> Path | None:
        """Where the photo of a row should lie, or none if the item names none; the file may be missing."""
        image = self.table["image"][row]
        return None if image is None else self.folder / image

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {item_id: row for row, item_id in enumerate(self.item_ids)}


def item_faults(table: pl.DataFrame, file: str, first: int = 1) -> list[Fault]:
    """Ids given twice and image paths that leave the folder, in a table typed by `ITEM_COLUMNS`."""
    faults = []
    numbered = table.select("item_id", "image").with_row_index("row", first)
    original = pl.col("row").first().over("item_id")
    repeated = numbered.filter(pl.col("item_id").is_not_null()).with_columns(original=original)
    for item_id, row, before in (
        repeated.filter(pl.col("row") != pl.col("original")).select("item_id", "row", "original").iter_rows()
    ):
        message = f"{item_id!r} is the id of row {before} already; ids are unique"
        faults.append(Fault("duplicate item_id", message, file, row, "item_id"))
    for row, image in (
        numbered.filter(pl.col("image").str.contains(OUTSIDE)).select("row", "image").iter_rows()
    ):
        message = f"{image!r} leaves the shop's folder; give a path relative to it, with forward slashes"
        faults.append(Fault("image outside folder", message, file, row, "image"))
    return sorted(faults, key=lambda fault: fault.row or 0)
