"""Draws the pictures of a whole stock in several processes; the bytes never depend on how many.

Knows nothing of titles or shoppers.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from smar.market.fashion import FashionType
from smar.market.figure import Look
from smar.market.goods import draw_goods
from smar.market.stock import Stock
from smar.market.wardrobe import draw_fashion
from smar.progress import progress_bar

SHARD = 1000
"""Pictures in one folder."""
_BATCH = 100
_FEW = 400
"""Below this many pictures, starting processes takes longer than drawing."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture to take: where it goes, what it shows, and its own chance."""

    path: str
    subject: Look | str
    """A fashion look, or the shape of general goods."""
    seed: tuple[int, int, int]


def image_path(row: int, item_id: str) -> str:
    """Where the picture of an item lies in the shop's folder."""
    return f"images/{row // SHARD:04d}/{item_id}.jpg"


def look(stock: Stock, row: int) -> Look:
    """What the picture of a fashion item shows."""
    return Look(
        type=stock.type(row).name,
        colour=stock.value("colour", row),
        pattern=stock.value("pattern", row),
        material=stock.value("material", row),
        fit=stock.value("fit", row),
        sleeve=stock.value("sleeve", row),
        neckline=stock.value("neckline", row),
        length=stock.value("length", row),
        audience=stock.value("audience", row),
    )


def draw_photos(stock: Stock, item_ids: list[str], folder: Path, seed: int, workers: int | None) -> int:
    """Write every picture below `folder`; return how many."""
    rows = np.flatnonzero(stock.has_image).tolist()
    for shard in sorted({row // SHARD for row in rows}):
        (folder / "images" / f"{shard:04d}").mkdir(parents=True, exist_ok=True)
    batches = (_shots(stock, item_ids, rows[at : at + _BATCH], seed) for at in range(0, len(rows), _BATCH))
    processes = workers or (1 if len(rows) <= _FEW else min(16, os.cpu_count() or 1))
    with progress_bar("pictures", len(rows)) as bar:
        taken = _here(folder, batches) if processes == 1 else _spread(folder, batches, processes)
        for count in taken:
            bar.advance(count)
    return len(rows)


def _shots(stock: Stock, item_ids: list[str], rows: list[int], seed: int) -> list[Shot]:
    shots = []
    for row in rows:
        kind = stock.type(row)
        subject = look(stock, row) if isinstance(kind, FashionType) else kind.shape
        shots.append(Shot(image_path(row, item_ids[row]), subject, (seed, 5, row)))
    return shots


def take(folder: Path, shots: list[Shot]) -> int:
    """Draw and write `shots`; return how many."""
    for shot in shots:
        chance = np.random.default_rng(shot.seed)
        draw = (
            draw_goods(shot.subject, chance)
            if isinstance(shot.subject, str)
            else draw_fashion(shot.subject, chance)
        )
        (folder / shot.path).write_bytes(draw)
    return len(shots)


def _here(folder: Path, batches: Iterator[list[Shot]]) -> Iterator[int]:
    for shots in batches:
        yield take(folder, shots)


def _spread(folder: Path, batches: Iterator[list[Shot]], processes: int) -> Iterator[int]:
    """Keep a few batches a process in flight: a million items never wait in memory at once."""
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        waiting = set()
        for shots in batches:
            waiting.add(pool.submit(take, folder, shots))
            if len(waiting) >= 4 * processes:
                done = next(as_completed(waiting))
                waiting.remove(done)
                yield done.result()
        for done in as_completed(waiting):
            yield done.result()
