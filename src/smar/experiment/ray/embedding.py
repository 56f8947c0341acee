"""Embeds a catalogue's items on a Ray cluster, block by block. Knows nothing of clicks and of indexes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from smar.data.catalog import CANONICAL, Catalog
from smar.errors import DataError, MismatchError
from smar.experiment.ray.connect import check_cluster, connected
from smar.model.arrays import ItemArrays, QueryVectors
from smar.model.smar import SMAR
from smar.progress import console, progress_bar
from smar.retrieval.vectors import Digests

_LARGEST, _SMALLEST = 256, 16
_BLOCKS_A_CPU = 8


class EmbeddingOnCluster:
    """A model whose items are embedded by a cluster; all else it does itself.

    `folder` holds the model. It and the shop's photos lie where every node finds them under the same path.
    """

    def __init__(self, model: SMAR, folder: Path, address: str) -> None:
        self.model = model
        self.folder = folder
        self.address = address

    @classmethod
    def build(cls, model: SMAR, folder: Path, address: str) -> EmbeddingOnCluster:
        """See that the cluster is there, and take it.

        Raises:
            ConfigError: Ray is not installed, or no cluster answers at `address`.
        """
        check_cluster(address)
        return cls(model, folder.resolve(), address)

    @property
    def fingerprint(self) -> str:
        """The model's."""
        return self.model.fingerprint

    @property
    def gate_threshold(self) -> float:
        """The model's."""
        return self.model.gate_threshold

    def embed_queries(self, texts: Sequence[str]) -> QueryVectors:
        """Q(q) and P(q), here."""
        return self.model.embed_queries(texts)

    def cuts(self, text: str) -> bool:
        """Whether the model reads only the first words of a query, which is normalised."""
        return self.model.cuts(text)

    def item_digests(self, catalog: Catalog) -> Digests:
        """The model's digests of the items, here: photos' bytes are read, not their pixels."""
        return self.model.item_digests(catalog)

    def embed_items(self, catalog: Catalog) -> ItemArrays:
        """S_t(s) and S_m(s) of every item of a catalogue, in its order, by the cluster.

        A process or a node that is lost loses no item: Ray embeds again what was lost with it.

        Raises:
            DataError: an item came back twice or not at all.
            MismatchError: the model that a node reads is another one.
            ConfigError, Unavailable: the cluster does not answer (`connected`).
        """
        with connected(self.address) as cpus, progress_bar("embedding items", len(catalog)) as bar:
            found = _Gathered(len(catalog), self.model.vector_dim)
            for block in self._embedded(catalog, _block(len(catalog), cpus)):
                bar.advance(found.take(block))
        named = catalog.table["image"].is_not_null().to_numpy()
        unused = int(np.count_nonzero(named & ~found.arrays.has_image))
        if unused and self.model.image_encoder is not None:
            console.print(
                f"{unused:,} photos are not used; `smar check SHOP` names those that cannot be read"
            )
        return found.whole()

    def _embedded(self, catalog: Catalog, block: int) -> Any:
        """Arrow tables of rows and their vectors, in any order."""
        import ray

        # The table itself, which may hold changes that the shop's files do not.
        table = catalog.table.select(CANONICAL).with_row_index("row")
        blocks = [part.to_arrow(compat_level=pl.CompatLevel.oldest()) for part in table.iter_slices(block)]
        shop, model = str(catalog.folder.resolve()), str(self.folder)
        embed = partial(_embed, shop=shop, model=model, fingerprint=self.model.fingerprint)
        embedded = ray.data.from_arrow(blocks).map_batches(
            embed, batch_format="pyarrow", batch_size=None, num_cpus=1
        )
        return embedded.iter_batches(batch_size=None, batch_format="pyarrow")


class _Gathered:
    """The vectors of a catalogue as they come in; counts how often each row came."""

    def __init__(self, items: int, dim: int) -> None:
        text = np.empty((items, dim), np.float32)
        self.arrays = ItemArrays(text, np.empty_like(text), np.zeros(items, np.bool_))
        self._came = np.zeros(items, np.int64)

    def take(self, block: Any) -> int:
        """Put a block's rows where they belong; returns how many they are."""
        rows = block["row"].to_numpy().astype(np.int64)
        np.add.at(self._came, rows, 1)
        for name, into in (("text", self.arrays.text), ("multimodal", self.arrays.multimodal)):
            into[rows] = np.frombuffer(b"".join(block[name].to_pylist()), np.float32).reshape(len(rows), -1)
        self.arrays.has_image[rows] = block["has_image"].to_numpy()
        return len(rows)

    def whole(self) -> ItemArrays:
        """All rows, if each came once."""
        missing, twice = int((self._came == 0).sum()), int((self._came > 1).sum())
        if missing or twice:
            raise DataError(
                f"of {len(self._came):,} items {missing:,} did not come back from the cluster and {twice:,} came "
                "more than once; index again"
            )
        return self.arrays


def _block(items: int, cpus: int) -> int:
    """Rows a block: enough blocks that nodes share them evenly, and little is lost with one."""
    return min(_LARGEST, max(_SMALLEST, -(-items // (_BLOCKS_A_CPU * cpus))))


def _embed(block: Any, shop: str, model: str, fingerprint: str) -> Any:
    """On a node: rows of a catalogue [Arrow] as rows with vectors, whose floats are bytes."""
    import pyarrow

    table = pl.DataFrame(pl.from_arrow(block))
    arrays = _model(model, fingerprint).embed_items(Catalog(table.drop("row"), Path(shop)))
    columns = {
        "row": table["row"].to_numpy(),
        "text": [row.tobytes() for row in arrays.text],
        "multimodal": [row.tobytes() for row in arrays.multimodal],
        "has_image": arrays.has_image,
    }
    return pyarrow.table(columns)


@lru_cache(maxsize=1)
def _model(folder: str, fingerprint: str) -> SMAR:
    """On a node: the model, read once a process."""
    model = SMAR.load(folder)
    model.cache = None
    if model.fingerprint != fingerprint:
        raise MismatchError(f"{folder}: a node reads another model there; share one folder among all nodes")
    return model
