"""Items that were changed since the index was built, as lines of a file that survives crashes. Knows no vectors."""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any

import polars as pl

from smar.data.catalog import Catalog
from smar.errors import DataError, QueryError
from smar.files import append_bytes

FILE = "changes.jsonl"
_BLOCK = 65_536


@dataclass(frozen=True, slots=True)
class Change:
    """One change, numbered from 1: an item as it is now, or, where `cells` is None, gone; `time` is Unix time."""

    number: int
    item_id: str
    cells: Mapping[str, Any] | None
    time: float


class Journal:
    """Appends changes to `FILE` in a folder; what `append` returned for is on disk.

    A line that a crash left half-written is cut off at the next opening. One process at a time may append.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._file: RawIOBase | None = None
        self._last = 0

    def append(self, changes: Sequence[tuple[str, Mapping[str, Any] | None]]) -> list[Change]:
        """Number these changes and write them, all or none.

        Raises:
            DataError: another process appends to this journal, or it is damaged.
        """
        file = self._opened()
        numbered = [
            Change(self._last + place, item_id, cells, time.time())
            for place, (item_id, cells) in enumerate(changes, start=1)
        ]
        append_bytes(file, b"".join(_line(change) for change in numbered))
        self._last += len(numbered)
        return numbered

    def close(self) -> None:
        """Let another process append."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _opened(self) -> RawIOBase:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("ab", buffering=0)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.close()
                raise DataError(
                    f"{self._path}: another process changes items of this run; stop one of them"
                ) from error
            whole = _whole_bytes(self._path)
            file.truncate(whole)
            self._last = max((change.number for change in read_changes(self._path.parent)), default=0)
            self._file = file
        return self._file


def read_changes(folder: Path, after: int = 0) -> list[Change]:
    """The changes numbered above `after`, in order; none where nothing was ever changed.

    Raises:
        DataError: a whole line is no change.
    """
    path = folder / FILE
    if not path.exists():
        return []
    found = []
    with path.open("rb") as file:
        for row, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                break  # still being written, or cut off by a crash
            try:
                cells = json.loads(line)
                change = Change(
                    int(cells["number"]), str(cells["item_id"]), cells["cells"], float(cells["time"])
                )
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(
                    f"{path}, line {row}: is no change ({error}); restore it from a copy"
                ) from error
            if change.number > after:
                found.append(change)
    return found


def apply_changes(catalog: Catalog, changes: Sequence[Change]) -> Catalog:
    """The catalogue as it is after `changes`."""
    newest = {change.item_id: change for change in changes}
    kept = catalog.table.filter(~pl.col("item_id").is_in(list(newest)))
    added = changed_items(catalog, list(newest.values()))
    return Catalog.from_table(pl.concat([kept, added.table]), catalog.folder)


def changed_items(catalog: Catalog, changes: Sequence[Change]) -> Catalog:
    """The items that the last change of each id leaves, with the columns of `catalog`.

    Raises:
        QueryError: an item has an attribute that the catalogue lacks, or a value of the wrong type.
        DataError: an item is without a title, or its image leaves the shop's folder.
    """
    newest = {change.item_id: change.cells for change in changes}
    rows = [{**cells, "item_id": item_id} for item_id, cells in newest.items() if cells is not None]
    columns: dict[str, list[Any]] = {name: [] for name in catalog.table.columns}
    for row in rows:
        for name in row.keys() - columns.keys():
            raise QueryError(f"item {row['item_id']!r}: the shop's items have no attribute {name!r}")
        for name, cells in columns.items():
            cells.append(row.get(name))
    try:
        series = [pl.Series(name, cells, dtype=catalog.table.schema[name]) for name, cells in columns.items()]
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        raise QueryError(f"an item has a value of the wrong type: {error}") from error
    return Catalog.from_table(pl.DataFrame(series), catalog.folder, "item")


def _line(change: Change) -> bytes:
    cells = None if change.cells is None else dict(change.cells)
    fields = {"number": change.number, "time": change.time, "item_id": change.item_id, "cells": cells}
    return json.dumps(fields).encode() + b"\n"


def _whole_bytes(path: Path) -> int:
    """How many bytes of the file are whole lines."""
    size = path.stat().st_size
    with path.open("rb") as file:
        for start in _blocks(size):
            file.seek(start)
            found = file.read(min(_BLOCK, size - start)).rfind(b"\n")
            if found >= 0:
                return start + found + 1
    return 0


def _blocks(size: int) -> Iterator[int]:
    """Where blocks of the file begin, the last first."""
    yield from range((size - 1) // _BLOCK * _BLOCK, -1, -_BLOCK) if size else ()
