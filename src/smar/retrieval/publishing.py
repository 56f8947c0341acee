"""Embeds and indexes a catalogue, publishes it as a run's new generation, and deletes old ones. Searches nothing."""

from __future__ import annotations

from pathlib import Path

from smar.data.catalog import Catalog
from smar.data.clicks import ClickLog
from smar.errors import DataError, MismatchError, ModelError
from smar.progress import console
from smar.retrieval.engine import IndexingModel
from smar.retrieval.engines.milvus.address import MilvusAddress
from smar.retrieval.engines.milvus.filling import Filling
from smar.retrieval.generations import Generation, current, prune, publish
from smar.retrieval.index import IndexConfig
from smar.retrieval.indexes import ItemIndexes
from smar.retrieval.refresh import Refreshed, refresh
from smar.retrieval.spelling import Spelling
from smar.retrieval.stored import Savable, read_stored, read_vectors, write_stored
from smar.retrieval.suggestions import frequent_queries, write_suggestions
from smar.retrieval.vectors import ItemVectors

KEPT = 3
"""Generations that stay: the current one, and those that it can be rolled back to."""
_SAMPLE = 64
"""Queries of the log on which a cluster is checked."""


def write_generation(
    run: Path | str,
    model: IndexingModel,
    catalog: Catalog,
    config: IndexConfig | None = None,
    log: ClickLog | None = None,
    changes: int = 0,
    *,
    anew: bool = False,
    cluster: MilvusAddress | None = None,
    keep: int = KEPT,
) -> Generation:
    """Embed and index `catalog`, and publish it as the new generation of the index in `run`.

    The generation holds all a search needs but the model: vectors, indexes, the catalogue's table and the words that
    the shop knows; and, of `log`, the queries to suggest. `changes` is the number of the last change of items that
    `catalog` is after. Items that the current generation has as they are now are not embedded
    again, unless `anew`. With a `cluster` the vectors are indexed there and checked before anybody reads them. The
    last `keep` generations stay, with their collections.

    Raises:
        ModelError: the model broke a law of `ItemVectors`.
        DataError: another process is publishing, or what the cluster got is not what was sent.
        ConfigError, Unavailable: the cluster does not answer.
    """
    folder, settings = Path(run) / "index", config or IndexConfig()
    if cluster is not None:
        cluster.connect()  # A wrong address is said before everything is embedded.
    fresh = refresh(model, catalog, None if anew else _readable_vectors(folder))
    if fresh.kept:
        console.print(f"{fresh.kept:,} of {len(catalog):,} items are as they were: their vectors are kept")

    def write(part: Path, indexes: Savable) -> None:
        write_stored(part, fresh.vectors, indexes, catalog, changes)
        Spelling.of(catalog, log).write(part)
        if log is not None:
            write_suggestions(log, part)

    if cluster is None:
        generation = publish(folder, lambda part: write(part, _indexes(folder, fresh, settings, anew)))
        _prune(folder, keep)
        return generation
    texts = [] if log is None else frequent_queries(log)["query"].head(_SAMPLE).to_list()
    queries = model.embed_queries(texts).vectors if texts else None
    with Filling(cluster, folder, Path(run).resolve().name) as filling:
        generation = publish(
            folder, lambda part: write(part, filling.fill(fresh.vectors, catalog, settings, queries))
        )
        filling.announce()
        _prune(folder, keep)
    return generation


def _prune(folder: Path, keep: int) -> None:
    deleted = prune(folder, keep)
    if deleted:
        console.print(f"old generations deleted: {', '.join(one.name for one in deleted)}")


def _indexes(folder: Path, fresh: Refreshed, config: IndexConfig, anew: bool) -> ItemIndexes:
    """Indexes over fresh vectors: those of the current generation changed, where that can be done."""
    try:
        old = None if anew else read_stored(current(folder))[0]
    except (DataError, MismatchError, ModelError):
        old = None
    if isinstance(old, ItemIndexes) and old.config == config and len(old) == len(fresh.moved):
        return old.changed_to(*fresh)
    return ItemIndexes.build(fresh.vectors, config)


def _readable_vectors(folder: Path) -> ItemVectors | None:
    """The vectors of the current generation in `folder`, if there is one that this version reads."""
    try:
        return read_vectors(current(folder))
    except (DataError, MismatchError, ModelError):
        return None
