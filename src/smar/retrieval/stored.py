"""An index on disk: the vectors, indexes and items of one generation. Knows files; embeds and searches nothing."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import polars as pl

from smar.data.catalog import Catalog
from smar.errors import DataError, MismatchError
from smar.retrieval.engines.milvus.address import MilvusAddress
from smar.retrieval.engines.milvus.indexes import FOLDER as MILVUS
from smar.retrieval.engines.milvus.indexes import MilvusIndexes
from smar.retrieval.generations import Generation
from smar.retrieval.index import IndexConfig
from smar.retrieval.indexes import CatalogIndexes, ItemIndexes
from smar.retrieval.lexical import BM25
from smar.retrieval.vectors import ItemVectors

_FORMAT = 3
_MANIFEST, _ITEMS, _WORDS, _VECTORS = "manifest.json", "items.parquet", "words", "vectors"


class Savable(Protocol):
    """An index that can be written."""

    @property
    def config(self) -> IndexConfig:
        """How it was built."""

    def save(self, folder: Path) -> None:
        """Write all but the vectors into `folder`."""


def write_stored(
    folder: Path, vectors: ItemVectors, indexes: Savable, catalog: Catalog, changes: int
) -> None:
    """Write into `folder`; `changes` is the number of the last change of items that `catalog` is after."""
    vectors.save(folder / _VECTORS)
    indexes.save(folder)
    # A catalogue without a single word that could be searched for has no word index.
    with suppress(DataError):
        BM25.build(catalog).save(folder / _WORDS)
    catalog.table.write_parquet(folder / _ITEMS)
    manifest = {
        "format": _FORMAT,
        "model": vectors.model_fingerprint,
        "catalog": vectors.catalog_fingerprint,
        "items": len(vectors),
        "items_with_image": int(vectors.has_image.sum()),
        "dim": vectors.dim,
        "changes": changes,
        "config": indexes.config.model_dump(mode="json"),
        # Relative, so that a run and its shop can be moved or mounted elsewhere together.
        "shop": Path(os.path.relpath(catalog.folder.resolve(), folder.resolve())).as_posix(),
    }
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=2), encoding="utf-8")


def read_stored(
    generation: Generation, cluster: MilvusAddress | None = None
) -> tuple[CatalogIndexes, Catalog]:
    """Open what `write_stored` wrote; `cluster` is where its vectors are if it was indexed into one.

    Raises:
        DataError: a file is missing, damaged, or of another version; or the cluster has not these vectors.
        MismatchError: the vectors are in a cluster, and none is given.
        Unavailable: the cluster does not answer.
    """
    is_there = in_cluster(generation)
    # Who searches in a cluster needs no vectors here.
    generation.check(without=_VECTORS if is_there else None)
    manifest = _manifest(generation)
    try:
        table = pl.read_parquet(generation.path / _ITEMS)
        catalog = Catalog(table, (generation.path / manifest["shop"]).resolve())
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{generation.path}: cannot be read ({error}); index the shop again") from error
    if is_there and cluster is None:
        raise MismatchError(f"{generation.path}: its index is in Milvus; add --engine milvus://HOST:PORT")
    if is_there and cluster is not None:
        return MilvusIndexes.load(generation.path, cluster), catalog
    return ItemIndexes.load(generation.path, read_vectors(generation)), catalog


def read_vectors(generation: Generation) -> ItemVectors:
    """The vectors of a generation as they were indexed, mapped into memory.

    Raises:
        DataError, ModelError: they are missing or damaged.
    """
    return ItemVectors.load(generation.path / _VECTORS)


def in_cluster(generation: Generation) -> bool:
    """Whether the generation's index is in Milvus."""
    return (generation.path / MILVUS).is_dir()


def read_words(generation: Generation, catalog: Catalog) -> BM25:
    """The word index of a generation's items.

    Raises:
        DataError: no item has a word.
        ModelError, MismatchError: it is damaged, or of another catalogue.
    """
    folder = generation.path / _WORDS
    return BM25.load(folder, catalog) if folder.is_dir() else BM25.build(catalog)


def folded_changes(generation: Generation) -> int:
    """The number of the last change of items that a generation is after.

    Raises:
        DataError: its manifest cannot be read.
    """
    return int(_manifest(generation)["changes"])


def _manifest(generation: Generation) -> dict[str, Any]:
    path = generation.path / _MANIFEST
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if manifest["format"] != _FORMAT:
            raise DataError(
                f"{path}: has format {manifest['format']}, this version reads {_FORMAT}; index again"
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); index the shop again") from error
    return manifest
