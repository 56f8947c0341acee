"""What decides an item's vectors, as a number: equal numbers, equal vectors. Knows texts and files; no network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt64

from smar.data.catalog import Catalog
from smar.data.images import ImageUnreadable, image_key
from smar.files import digest
from smar.model.sources import item_texts
from smar.progress import track

_AT_ONCE = 1024


def item_digests(
    catalog: Catalog, fields: Sequence[str], *, with_photos: bool
) -> UInt64[np.ndarray, " item"]:
    """A digest of each item's text and category and, where photos are read, of its photo's bytes."""
    texts = item_texts(catalog, fields)
    categories = catalog.table["category"].to_list()
    found = np.empty(len(texts), np.uint64)
    rows = range(len(texts))
    for block in track(
        [rows[at : at + _AT_ONCE] for at in range(0, len(rows), _AT_ONCE)], "look for changes"
    ):
        for row in block:
            photo = _photo(catalog.image_path(row)) if with_photos else ""
            found[row] = int(digest(texts[row], categories[row] or "", photo), 16)
    return found


def _photo(path: Path | None) -> str:
    if path is None:
        return "none"
    try:
        return image_key(path)
    except ImageUnreadable as error:
        return error.fault.kind
