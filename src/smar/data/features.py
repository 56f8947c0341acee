"""Frozen encoders' states on disk, stored once a content, appended safely and read as a memory map.

Knows nothing of what was encoded, nor by what: a key, a name and a width are all it sees.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TextIO

import numpy as np
from jaxtyping import Bool, Float16, Int64

from smar.data.features_index import RECORD, KeyTable, key_numbers, make_records, whole_records
from smar.errors import DataError, MismatchError, ModelError
from smar.files import write_text
from smar.progress import say

Entries = Sequence[int] | Int64[np.ndarray, " batch"]
States = Float16[np.ndarray, "_ width"]

_FORMAT = 1
_LARGEST = float(np.finfo(np.float16).max)


def planned_bytes(n_rows_total: int, width: int) -> int:
    """Bytes that `n_rows_total` rows of `width` numbers take in a store."""
    return n_rows_total * width * np.dtype(np.float16).itemsize


class FeatureStore:
    """A folder of float16 arrays [rows, width] by content key; each entry has its own number of rows.

    `states.bin` holds the rows, `keys.bin` one sealed record an entry, `store.json` whose states they are.
    Both files only ever grow. A record is written after its rows are safely on disk, so a killed writer
    leaves at most a torn tail: readers pass over it, the next writer cuts it off. Entries are numbered in the
    order of writing and keep their numbers. A store sees what was on disk when it was opened or last wrote.
    """

    def __init__(self, folder: Path, encoder: str, width: int) -> None:
        self.folder = folder
        self.encoder = encoder
        self.width = width
        self._records = np.empty(0, dtype=RECORD)
        self._states: States = np.empty((0, width), dtype=np.float16)
        self._table = KeyTable()
        self._is_writing = False

    @classmethod
    def open(cls, folder: Path, encoder: str, width: int) -> FeatureStore:
        """Open the store of `encoder`'s states in `folder`; an absent one is created empty.

        Raises:
            MismatchError: the folder holds states of another encoder or width.
            DataError: the folder holds something else.
        """
        store = cls(folder, encoder, width)
        if not (folder / "store.json").exists():
            store._create()
        store._check_header()
        store._refresh()
        return store

    def __len__(self) -> int:
        return len(self._records)

    @property
    def size_bytes(self) -> int:
        """Bytes of the entries on disk, with their index."""
        return planned_bytes(self._row_count, self.width) + len(self) * RECORD.itemsize

    def lookup(self, keys: Sequence[str]) -> Int64[np.ndarray, " key"]:
        """Each key's entry number, or -1 where nothing is stored under it."""
        return self._table.find(key_numbers(keys))

    def missing(self, keys: Sequence[str]) -> list[int]:
        """Positions in `keys` that are not stored, of a repeated key the first only."""
        numbers = key_numbers(keys)
        _, first = np.unique(numbers, return_index=True)
        absent: list[int] = np.sort(first[self._table.find(numbers[first]) < 0]).tolist()
        return absent

    def append(self, keys: Sequence[str], arrays: Sequence[np.ndarray]) -> int:
        """Store arrays under keys and return how many were new; a key that is stored already keeps its array.

        Everything is on disk on return. Many appends are faster inside one `writing` block.

        Raises:
            ModelError: an array has another width, a number that is not finite, or one too large for float16.
            DataError: another process writes, or the disk is full; what was stored before stays readable.
        """
        if len(keys) != len(arrays):
            raise ModelError(f"{self.folder}: got {len(arrays)} arrays for {len(keys)} keys; give one a key")
        with self.writing():
            fresh = self.missing(keys)
            states = [self._storable(keys[position], arrays[position]) for position in fresh]
            row_counts = np.array([len(array) for array in states], dtype=np.int64)
            numbers = key_numbers([keys[position] for position in fresh])
            records = make_records(numbers, row_counts, self._row_count)
            if len(records):
                self._write(states, records.tobytes())
                self._adopt(np.concatenate([self._records, records]), numbers)
        return len(fresh)

    def read(self, entries: Entries) -> list[States]:
        """Each entry's array as a read-only view of the memory map."""
        records = self._chosen(entries)
        ends = (records["start"] + records["rows"]).tolist()
        return [self._states[start:end] for start, end in zip(records["start"].tolist(), ends, strict=True)]

    def gather(
        self, entries: Entries
    ) -> tuple[Float16[np.ndarray, "batch longest width"], Bool[np.ndarray, "batch longest"]]:
        """Entries' arrays in one, padded with zeros to the longest, and a mask that is true on their rows."""
        records = self._chosen(entries)
        row_counts = records["rows"].astype(np.int64)
        longest = int(row_counts.max(initial=0))
        mask = np.arange(longest) < row_counts[:, None]
        states = np.zeros((len(records), longest, self.width), dtype=np.float16)
        # In file order, so that a map larger than memory is read in one direction.
        order = np.argsort(records["start"], kind="stable").tolist()
        starts, counts = records["start"].tolist(), row_counts.tolist()
        for at in order:
            states[at, : counts[at]] = self._states[starts[at] : starts[at] + counts[at]]
        return states, mask

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Be the folder's one writer while the block runs, and see what earlier writers stored.

        While another process writes, wait for it: what it stores is most often what is wanted here too.

        Raises:
            DataError: another store of this process writes to the folder.
        """
        if self._is_writing:
            yield
            return
        with (self.folder / "lock").open("a+") as lock:
            self._take(lock)
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            self._check_header()
            self._refresh()
            self._is_writing = True
            try:
                yield
            finally:
                self._is_writing = False
                lock.truncate(0)  # Whoever takes it next is not mistaken for this one.

    def _take(self, lock: TextIO) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read()
            if holder == str(os.getpid()):
                raise DataError(f"{self.folder}: this process is writing to it already") from error
            say(f"{self.folder}: waiting for process {holder or '(unknown)'}, which writes to it")
            fcntl.flock(lock, fcntl.LOCK_EX)

    @property
    def _states_path(self) -> Path:
        return self.folder / "states.bin"

    @property
    def _keys_path(self) -> Path:
        return self.folder / "keys.bin"

    @property
    def _row_count(self) -> int:
        return int(self._records["start"][-1] + self._records["rows"][-1]) if len(self._records) else 0

    def _create(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in (self._states_path, self._keys_path):
            path.touch()
            if path.stat().st_size:
                raise DataError(
                    f"{self.folder}: has {path.name} but no store.json; give another folder or empty it"
                )
        header = {"format": _FORMAT, "encoder": self.encoder, "dtype": "float16", "width": self.width}
        write_text(self.folder / "store.json", json.dumps(header, indent=2) + "\n")

    def _check_header(self) -> None:
        path = self.folder / "store.json"
        try:
            header = json.loads(path.read_text(encoding="utf-8"))
            found = header["format"], header["dtype"], header["encoder"], header["width"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{path}: is no feature store's header ({error!r}); give another folder"
            ) from error
        wanted = _FORMAT, "float16", self.encoder, self.width
        if found != wanted:
            raise MismatchError(
                f"{path}: holds (format, dtype, encoder, width) = {found}, not {wanted}; "
                "give each encoder its own folder"
            )

    def _refresh(self) -> None:
        """Take up what the files hold now, if that differs from what is known."""
        try:
            index_bytes = self._keys_path.stat().st_size
            row_bytes = planned_bytes(1, self.width)
            rows_on_disk = self._states_path.stat().st_size // row_bytes
            if index_bytes == len(self) * RECORD.itemsize and rows_on_disk >= self._row_count:
                return
            records = whole_records(self._keys_path, rows_on_disk)
        except OSError as error:
            raise DataError(
                f"{self.folder}: cannot be read ({error}); restore the file or empty the folder"
            ) from error
        self._table = KeyTable()
        self._adopt(records, records["key"])

    def _adopt(self, records: np.ndarray, new_numbers: np.ndarray) -> None:
        self._records = records
        self._table.add(new_numbers)
        shape = (self._row_count, self.width)
        if shape[0]:
            mapped = np.memmap(self._states_path, dtype="<f2", mode="r", shape=shape)
            self._states = np.asarray(mapped)
        else:
            self._states = np.empty(shape, dtype=np.float16)

    def _chosen(self, entries: Entries) -> np.ndarray:
        numbers = np.asarray(entries, dtype=np.int64)
        is_absent = (numbers < 0) | (numbers >= len(self))
        if is_absent.any():
            raise DataError(
                f"{self.folder}: has no entry {numbers[is_absent][0]} of {len(self)}; fill it with its key"
            )
        return self._records[numbers]

    def _storable(self, key: str, array: np.ndarray) -> States:
        if array.ndim != 2 or array.shape[1] != self.width:
            raise ModelError(
                f"{self.folder}: key {key} has states of shape {array.shape}, not (rows, {self.width}); "
                "the encoder is not the one this store was made for"
            )
        if not (np.abs(array) <= _LARGEST).all():  # false for NaN as well
            raise ModelError(
                f"{self.folder}: key {key} has a state that float16 cannot hold ({np.abs(array).max()}); "
                "check the encoder, or scale its states down"
            )
        return np.ascontiguousarray(array, dtype="<f2")

    def _write(self, states: Sequence[States], index: bytes) -> None:
        try:
            # The index is cut first: a torn record of old must not come to point at the rows written now.
            if self._keys_path.stat().st_size != len(self) * RECORD.itemsize:
                with _from(self._keys_path, len(self) * RECORD.itemsize):
                    pass
            with _from(self._states_path, planned_bytes(self._row_count, self.width)) as file:
                for array in states:
                    file.write(array.data)
            with _from(self._keys_path, len(self) * RECORD.itemsize) as file:
                file.write(index)
        except OSError as error:
            raise DataError(
                f"{self.folder}: cannot be written ({error.strerror}); free disk space, then run again"
            ) from error


@contextmanager
def _from(path: Path, offset: int) -> Iterator[BinaryIO]:
    """Cut a file at `offset`, let the block write from there, and wait until it is on disk."""
    with path.open("r+b") as file:
        file.truncate(offset)
        file.seek(offset)
        yield file
        file.flush()
        os.fsync(file.fileno())
