"""An index on disk: the vectors, indexes and items of one generation. Knows files; embeds and searches nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import polars as pl

from smar.data.catalog import Catalog
from smar.errors import DataError
from smar.retrieval.generations import Generation
from smar.retrieval.indexes import ItemIndexes

_FORMAT = 3
_MANIFEST, _ITEMS = "manifest.json", "items.parquet"


def write_stored(folder: Path, indexes: ItemIndexes, catalog: Catalog, changes: int) -> None:
    """Write into `folder`; `changes` is the number of the last change of items that `catalog` is after."""
    indexes.save(folder)
    catalog.table.write_parquet(folder / _ITEMS)
    vectors = indexes.vectors
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


def read_stored(generation: Generation) -> tuple[ItemIndexes, Catalog]:
    """Open what `write_stored` wrote.

    Raises:
        DataError: a file is missing, damaged, or of another version.
    """
    generation.check()
    manifest = _manifest(generation)
    try:
        table = pl.read_parquet(generation.path / _ITEMS)
        catalog = Catalog(table, (generation.path / manifest["shop"]).resolve())
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{generation.path}: cannot be read ({error}); index the shop again") from error
    return ItemIndexes.load(generation.path), catalog


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
