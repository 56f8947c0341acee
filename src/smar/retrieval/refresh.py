"""A catalogue's vectors anew, of which those are kept whose items did not change. Knows no index."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from smar.data.catalog import Catalog
from smar.retrieval.index import Rows
from smar.retrieval.vectors import ItemEmbedder, ItemVectors


class Refreshed(NamedTuple):
    """Vectors of a catalogue, and where the old ones went: for each old row the new one, or -1."""

    vectors: ItemVectors
    moved: Rows

    @property
    def kept(self) -> int:
        """How many items were not embedded again."""
        return int(np.count_nonzero(self.moved >= 0))


def refresh(model: ItemEmbedder, catalog: Catalog, old: ItemVectors | None) -> Refreshed:
    """Embed the items of `catalog` that `old` has not, or has otherwise.

    An item is the same where its digest is, which the model makes of all that decides its vectors. Vectors of another
    model, or without digests, are not used.

    Raises:
        ModelError: the model broke a law of `ItemVectors`.
    """
    digests = model.item_digests(catalog)
    if old is None or old.digests is None or old.model_fingerprint != model.fingerprint:
        vectors = ItemVectors.build(model, catalog, digests)
        return Refreshed(vectors, np.full(0 if old is None else len(old), -1, np.int64))
    places = {item_id: row for row, item_id in enumerate(catalog.item_ids)}
    moved = np.array([places.get(item_id, -1) for item_id in old.item_ids], np.int64)
    there = np.flatnonzero(moved >= 0)
    moved[there[digests[moved[there]] != old.digests[there]]] = -1
    stays = np.flatnonzero(moved >= 0)
    is_new = np.ones(len(catalog), np.bool_)
    is_new[moved[stays]] = False
    rows = np.flatnonzero(is_new)
    text = np.empty((len(catalog), old.dim), np.float32)
    multimodal = np.empty_like(text)
    has_image = np.empty(len(catalog), np.bool_)
    text[moved[stays]], multimodal[moved[stays]] = old.text[stays], old.multimodal[stays]
    has_image[moved[stays]] = old.has_image[stays]
    if len(rows):
        fresh = ItemVectors.build(model, catalog.rows(rows.tolist()))
        text[rows], multimodal[rows], has_image[rows] = fresh.text, fresh.multimodal, fresh.has_image
    vectors = ItemVectors(
        list(catalog.item_ids), text, multimodal, has_image, model.fingerprint, catalog.fingerprint, digests
    )
    return Refreshed(vectors, moved)
