"""Fills a feature store with what it lacks, batch by batch, so that a killed run continues where it stopped.

Knows nothing of what the encoder encodes.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
from rich.filesize import decimal

from smar.data.features import FeatureStore, planned_bytes
from smar.data.features_index import RECORD
from smar.errors import DataError, ModelError
from smar.progress import console, progress_bar

Encode = Callable[[list[int]], Sequence[np.ndarray | None]]
"""Takes positions in the keys; gives each one's states [rows, width], or None for what cannot be encoded."""


@dataclass(frozen=True, slots=True)
class FillReport:
    """What a fill did: of `distinct` contents under `keys` keys, which were there and which came."""

    keys: int
    distinct: int
    already_stored: int
    added: int
    left_out: tuple[int, ...]
    """Positions in the keys whose content the encoder gave nothing for; the next fill asks for them again."""
    bytes_written: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.keys:,} keys, {self.distinct:,} distinct: {self.already_stored:,} stored already, "
            f"{self.added:,} added ({decimal(self.bytes_written)}), {len(self.left_out):,} left out, "
            f"{self.seconds:.1f} s"
        )


def fill(store: FeatureStore, keys: Sequence[str], encode: Encode, batch: int, title: str) -> FillReport:
    """Encode and store what `store` lacks of `keys`; each `batch` is on disk before the next is encoded.

    Before anything is written the size to come, estimated from the first batch, is stated on the console.

    Raises:
        DataError: the estimated size exceeds the free disk space.
        ModelError: `encode` gives another number of arrays than asked for, or states that cannot be stored.
    """
    began = time.monotonic()
    with store.writing():
        todo = store.missing(keys)
        distinct, stored, size = len(set(keys)), len(store), store.size_bytes
        left_out: list[int] = []
        is_announced = False
        # Nothing to compute is nothing to show.
        shown = progress_bar(title, total=distinct, done=distinct - len(todo)) if todo else nullcontext()
        with shown as bar:
            for first in range(0, len(todo), batch):
                positions = todo[first : first + batch]
                encoded = _encoded(encode, positions, title)
                left_out += [position for position in positions if position not in encoded]
                if encoded and not is_announced:
                    _announce(store, list(encoded.values()), len(todo) - first, title)
                    is_announced = True
                store.append([keys[position] for position in encoded], list(encoded.values()))
                if bar is not None:
                    bar.advance(len(positions))
    return FillReport(
        keys=len(keys),
        distinct=distinct,
        already_stored=distinct - len(todo),
        added=len(store) - stored,
        left_out=tuple(left_out),
        bytes_written=store.size_bytes - size,
        seconds=time.monotonic() - began,
    )


def _encoded(encode: Encode, positions: list[int], title: str) -> dict[int, np.ndarray]:
    arrays = encode(positions)
    if len(arrays) != len(positions):
        raise ModelError(
            f"{title}: the encoder gave {len(arrays)} arrays for {len(positions)} inputs; "
            "it must give one, or None, for each"
        )
    return {position: array for position, array in zip(positions, arrays, strict=True) if array is not None}


def _announce(store: FeatureStore, arrays: Sequence[np.ndarray], count: int, title: str) -> None:
    """State the size of `count` entries like `arrays`, and refuse it if the disk is too small."""
    rows = sum(len(array) for array in arrays) / len(arrays)
    planned = planned_bytes(round(rows * count), store.width) + count * RECORD.itemsize
    free = shutil.disk_usage(store.folder).free
    if planned > free:
        raise DataError(
            f"{store.folder}: {title} need about {decimal(planned)} and the disk has {decimal(free)} free; "
            "free some space, or choose a folder on another disk"
        )
    console.print(
        f"{title}: {count:,} to compute, about {decimal(planned)} in {store.folder} ({decimal(free)} free)",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
