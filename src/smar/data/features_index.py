"""The index of a feature store: which keys it holds, where each one's rows lie, and which records are whole.

Knows nothing of the rows' content.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt32, UInt64

from smar.errors import DataError

KEY_LENGTH = 16
RECORD = np.dtype([("key", "<u8"), ("start", "<u8"), ("rows", "<u4"), ("seal", "<u4")])
"""One entry of the index file: its key, its first row, how many rows it has, and a seal over the three."""

Records = np.ndarray
_SMALLEST_MERGE = 4096


def key_numbers(keys: Sequence[str]) -> UInt64[np.ndarray, " key"]:
    """Each key of 16 hexadecimal digits as a number.

    Raises:
        DataError: a key has another form.
    """
    try:
        raw = bytes.fromhex("".join(keys))
    except ValueError:
        raw = b""
    if len(raw) != len(keys) * KEY_LENGTH // 2 or any(len(key) != KEY_LENGTH for key in keys):
        wrong = next(key for key in keys if len(key) != KEY_LENGTH or not _is_hexadecimal(key))
        raise DataError(
            f"feature store: key {wrong!r} is not 16 hexadecimal digits; make it with smar.files.digest"
        )
    return np.frombuffer(raw, dtype=">u8").astype(np.uint64)


def make_records(
    numbers: UInt64[np.ndarray, " entry"], row_counts: Int64[np.ndarray, " entry"], start: int
) -> Records:
    """Sealed records of entries whose rows follow one another from row `start` on."""
    records = np.zeros(len(numbers), dtype=RECORD)
    records["key"] = numbers
    records["rows"] = row_counts
    records["start"] = start + np.cumsum(row_counts) - row_counts
    records["seal"] = _seals(records)
    return records


def whole_records(path: Path, rows_on_disk: int) -> Records:
    """The leading records of an index file that are whole: sealed, gapless, and their rows on disk.

    What follows the first record that is not is the torn tail of a killed writer.
    """
    records = np.fromfile(path, dtype=RECORD)
    ends = np.cumsum(records["rows"], dtype=np.uint64)
    starts = ends - records["rows"]
    is_whole = (records["seal"] == _seals(records)) & (records["start"] == starts) & (ends <= rows_on_disk)
    return records if is_whole.all() else records[: int(np.argmin(is_whole))]


class KeyTable:
    """Entry numbers by key: a sorted array, and a small dictionary of what came since it was sorted."""

    def __init__(self) -> None:
        self._sorted = np.empty(0, dtype=np.uint64)
        self._entries = np.empty(0, dtype=np.int64)
        self._recent: dict[int, int] = {}
        self._count = 0

    def add(self, numbers: UInt64[np.ndarray, " key"]) -> None:
        """Give the next entry numbers to keys that are not in the table yet."""
        entries = np.arange(self._count, self._count + len(numbers))
        self._count += len(numbers)
        # Growing in proportion keeps the sorting of a table built in many steps at a few passes over it.
        if len(self._recent) + len(numbers) > max(_SMALLEST_MERGE, len(self._sorted) // 4):
            self._sort_in(numbers, entries)
        else:
            self._recent.update(zip(numbers.tolist(), entries.tolist(), strict=True))

    def find(self, numbers: UInt64[np.ndarray, " key"]) -> Int64[np.ndarray, " key"]:
        """Each key's entry number, or -1."""
        found = np.full(len(numbers), -1, dtype=np.int64)
        if len(self._sorted):
            at = np.searchsorted(self._sorted, numbers)
            at[at == len(self._sorted)] = 0
            is_here = self._sorted[at] == numbers
            found[is_here] = self._entries[at[is_here]]
        if self._recent:
            for position in np.flatnonzero(found < 0).tolist():
                found[position] = self._recent.get(int(numbers[position]), -1)
        return found

    def _sort_in(self, numbers: UInt64[np.ndarray, " key"], entries: Int64[np.ndarray, " key"]) -> None:
        recent = np.fromiter(self._recent.keys(), dtype=np.uint64, count=len(self._recent))
        recent_entries = np.fromiter(self._recent.values(), dtype=np.int64, count=len(self._recent))
        together = np.concatenate([self._sorted, recent, numbers])
        order = np.argsort(together, kind="stable")
        self._sorted = together[order]
        self._entries = np.concatenate([self._entries, recent_entries, entries])[order]
        self._recent = {}


def _is_hexadecimal(key: str) -> bool:
    return all(letter in "0123456789abcdefABCDEF" for letter in key)


def _seals(records: Records) -> UInt32[np.ndarray, " entry"]:
    """A mix of each record's fields; torn or zeroed bytes hit it by chance once in four billion."""
    mixed = records["key"] + np.uint64(0x9E3779B97F4A7C15)
    for field in (records["start"], records["rows"].astype(np.uint64)):
        mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ field) * np.uint64(0x94D049BB133111EB)
    seals: UInt32[np.ndarray, " entry"] = (mixed >> np.uint64(32)).astype(np.uint32)
    return seals
