"""A page of small pictures out of a shop, to look at.

Knows nothing of how the pictures came to be.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl
from PIL import Image

from smar.errors import DataError
from smar.files import whole_file

_CELL = 104
_GAP = 4
_STEP = 5
"""Shades are rounded to multiples of this: nobody sees it, and the file is half the size."""


def contact_sheet(folder: Path, out: Path, columns: int = 12, rows: int = 6) -> None:
    """Write a PNG with `columns` x `rows` pictures, from every category of the shop at `folder` in turn.

    Raises:
        DataError: the shop has fewer pictures than that.
    """
    items = pl.read_parquet(folder / "items.parquet", columns=["item_id", "category", "image"]).drop_nulls(
        "image"
    )
    wanted = columns * rows
    if items.height < wanted:
        raise DataError(
            f"{folder}: has {items.height} pictures, {wanted} were asked for; ask for fewer columns or rows"
        )
    turn = items.with_columns(turn=pl.int_range(pl.len()).over("category")).sort("turn", "item_id")
    paths = turn.head(wanted).sort("item_id")["image"].to_list()
    step = _CELL + _GAP
    sheet = Image.new("RGB", (columns * step + _GAP, rows * step + _GAP), "white")
    for place, path in enumerate(paths):
        with Image.open(folder / path) as picture:
            small = picture.convert("RGB")
        small.thumbnail((_CELL, _CELL), Image.Resampling.LANCZOS)
        left = _GAP + place % columns * step + (_CELL - small.width) // 2
        top = _GAP + place // columns * step + (_CELL - small.height) // 2
        sheet.paste(small, (left, top))
    shades = [min(255, (shade + _STEP // 2) // _STEP * _STEP) for shade in range(256)] * 3
    with whole_file(out) as part:
        sheet.point(shades).save(part, format="PNG", optimize=True)
