"""The indexed vectors of a catalogue as a cluster holds them: what `SearchEngine` searches. Knows rows, no items."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from smar.errors import DataError, MismatchError, QueryError, Unavailable
from smar.files import whole_folder
from smar.retrieval.engines.milvus.address import MilvusAddress, cluster_errors, reason
from smar.retrieval.engines.milvus.collection import DEEPEST, Collection, rounded
from smar.retrieval.engines.milvus.schema import (
    PARTITIONS,
    Field,
    Side,
    passing,
    rows_of,
)
from smar.retrieval.index import IndexConfig, Reached, Rows
from smar.retrieval.results import VectorChoice
from smar.retrieval.selection import Selection
from smar.retrieval.vectors import Flags, Vectors

FOLDER = "milvus"
_LEAST_DEPTH = 64
_FACTS, _HAS_IMAGE, _WITNESS = "collection.json", "has_image.npy", "witness.npy"


@dataclass(frozen=True)
class Facts:
    """What has to be known of a collection to search it."""

    collection: str
    alias: str
    model: str
    catalog: str
    fields: tuple[tuple[str, str, str], ...]
    witnesses: dict[str, int]
    config: dict[str, Any]


@dataclass(frozen=True, eq=False)
class MilvusIndexes:
    """The vectors of a catalogue in a collection of a cluster; see `CatalogIndexes`.

    Its laws: hits are ordered by score and, where scores are equal up to 2^-20, by row; nothing that is not selected is
    found; `search(k)` is a prefix of `search(k + 1)` but where `k` is `depth`, or twice, four times ... as much: from
    there on twice as many are fetched. Scores are the cluster's, within 1e-5 of the exact ones. `coverage` is below 1
    where parts of the collection, or hits that exist, were not there.
    """

    collection: Collection
    facts: Facts
    config: IndexConfig
    images: Flags
    """Whether each item's photo was read [row]."""

    def __len__(self) -> int:
        return len(self.images)

    @property
    def dim(self) -> int:
        """The number of components of a vector."""
        return len(self.collection.witness)

    @property
    def model_fingerprint(self) -> str:
        """Of the model that made the vectors."""
        return self.facts.model

    @property
    def catalog_fingerprint(self) -> str:
        """Of the catalogue whose vectors they are."""
        return self.facts.catalog

    @property
    def depth(self) -> int:
        """How many hits of a query are fetched at least, so that a shorter search begins a longer one."""
        return max(_LEAST_DEPTH, self.config.ef_search - self._most_witnesses)

    @property
    def _most_witnesses(self) -> int:
        return max(sum(self.facts.witnesses[one] for one in partitions) for partitions in PARTITIONS.values())

    def _reach(self, k: int) -> int:
        """How many hits to fetch where `k` are asked for."""
        reach = self.depth
        while reach < k:
            reach *= 2
        return min(reach, DEEPEST - self._most_witnesses) if k <= DEEPEST - self._most_witnesses else k

    def nearest(
        self,
        choice: VectorChoice,
        queries: Vectors,
        gates: Vectors,
        k: int,
        selection: Selection,
        until: float = math.inf,
    ) -> Reached:
        """The `k` nearest rows of each query among those selected; see `CatalogIndexes`.

        Raises:
            QueryError: `k` is below 1 or beyond what Milvus returns.
            Unavailable: nothing answered in time.
        """
        if k < 1:
            raise QueryError(f"k = {k}: a search asks for at least one hit")
        if queries.shape[1:] != (self.dim,) or not np.isfinite(queries).all():
            raise MismatchError(
                f"query vectors have shape {queries.shape}, those of the index {self.dim} finite components; "
                "embed the queries with the model that embedded the items"
            )
        found = min(k, selection.count)
        if found == 0 or not len(queries):
            shape = (len(queries), found)
            return Reached(np.empty(shape, np.float32), np.empty(shape, np.int64))
        if choice == "soft":
            return self._soft(queries, gates, found, selection, until)
        scores, rows, coverage = self._side(choice, queries, found, selection, until)
        return _table(scores, rows, found, coverage)

    def vectors_of(self, rows: Rows, until: float = math.inf) -> tuple[Vectors, Vectors]:
        """The text and the multimodal vectors of some rows, each float32 [row, dim].

        Raises:
            Unavailable: they cannot be reached.
        """
        if not len(rows):
            return np.empty((0, self.dim), np.float32), np.empty((0, self.dim), np.float32)
        text = 2 * rows
        multimodal = text + self.images[rows]
        found = self.collection.vectors([*text.tolist(), *multimodal.tolist()], until)
        return found[: len(rows)], found[len(rows) :]

    def has_image(self, row: int) -> bool:
        """Whether the item's photo was read."""
        return bool(self.images[row])

    def best_text_scores(
        self, query: Vectors, selection: Selection, until: float = math.inf
    ) -> tuple[Vectors, float]:
        """The inner products of a query [dim] with the text vectors of selected rows, the best 16,000 or so."""
        k = min(selection.count, DEEPEST - self._most_witnesses)
        if not k:
            return np.empty(0, np.float32), 1.0
        (scores,), _, coverage = self._side("text", query[None], k, selection, until)
        return scores, coverage

    def save(self, folder: Path) -> None:
        """Write what has to be known of the collection into `folder`; vectors stay in the cluster."""
        with whole_folder(folder / FOLDER) as part:
            np.save(part / _HAS_IMAGE, self.images, allow_pickle=False)
            np.save(part / _WITNESS, self.collection.witness, allow_pickle=False)
            (part / _FACTS).write_text(json.dumps(asdict(self.facts), indent=2), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, address: MilvusAddress) -> MilvusIndexes:
        """Open what `save` wrote.

        Raises:
            DataError: a file is missing or damaged, or the cluster has no such collection.
            Unavailable: the cluster does not answer.
        """
        facts = read_facts(folder)
        try:
            images = np.load(folder / FOLDER / _HAS_IMAGE, allow_pickle=False)
            witness = np.load(folder / FOLDER / _WITNESS, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise DataError(
                f"{folder}: what is known of the collection cannot be read ({error}); index the shop again"
            ) from error
        client = address.connect()
        try:
            is_there = client.has_collection(facts.collection, timeout=address.seconds)
        except cluster_errors() as error:
            raise Unavailable(f"{address}: does not answer ({reason(error)})") from error
        if not is_there:
            raise DataError(
                f"{address}: has no collection {facts.collection}; index the shop into this cluster again"
            )
        config = IndexConfig.check(facts.config, where=str(folder))
        return cls.of(client, address, facts, config, images, witness)

    @classmethod
    def of(
        cls,
        client: Any,
        address: MilvusAddress,
        facts: Facts,
        config: IndexConfig,
        images: Flags,
        witness: Vectors,
    ) -> MilvusIndexes:
        """The parts put together."""
        settings = search_settings(config)
        collection = Collection(client, address, facts.collection, witness, facts.witnesses, settings)
        return cls(collection, facts, config, images)

    def _side(
        self, side: Side, queries: Vectors, k: int, selection: Selection, until: float
    ) -> tuple[list[Vectors], list[Rows], float]:
        """At least the `k` best of each query, if they can be reached."""
        fields = [Field(*field) for field in self.facts.fields]  # type: ignore[arg-type]
        told = passing(selection, fields, side)
        deepest = DEEPEST - self._most_witnesses
        reach = self._reach(k)
        while True:
            matches = self.collection.search(queries, PARTITIONS[side], reach, told.expression, until)
            rows = [rows_of(found) for found in matches.keys]
            if told.is_all:
                return matches.scores, rows, matches.coverage
            kept = [selection.flags[found] for found in rows]
            if all(np.count_nonzero(inside) >= k for inside in kept) or reach >= deepest:
                scores = [of_query[inside] for of_query, inside in zip(matches.scores, kept, strict=True)]
                return (
                    scores,
                    [found[inside] for found, inside in zip(rows, kept, strict=True)],
                    matches.coverage,
                )
            reach = min(deepest, 4 * reach)

    def _soft(self, queries: Vectors, gates: Vectors, k: int, selection: Selection, until: float) -> Reached:
        """By `gate * multimodal + (1 - gate) * text`, among what either side finds."""
        sides = [self._side(side, queries, k, selection, until) for side in ("text", "multimodal")]
        scores, rows = [], []
        for query in range(len(queries)):
            union = np.union1d(sides[0][1][query], sides[1][1][query])
            text, multimodal = self.vectors_of(union, until)
            gate = gates[query]
            mixed = (1 - gate) * (text @ queries[query]) + gate * (multimodal @ queries[query])
            mixed = rounded(mixed.astype(np.float32))
            order = np.lexsort((union, -mixed))[:k]
            scores.append(mixed[order])
            rows.append(union[order])
        return _table(scores, rows, k, min(coverage for _, _, coverage in sides))


def read_facts(folder: Path) -> Facts:
    """What is known of the collection of the generation in `folder`.

    Raises:
        DataError: it cannot be read.
    """
    path = folder / FOLDER / _FACTS
    try:
        return Facts(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); index the shop again") from error


def index_settings(config: IndexConfig, rows: int) -> tuple[str, dict[str, int]]:
    """Milvus' name of an index and what builds it."""
    if config.kind == "hnsw":
        return "HNSW", {"M": config.links, "efConstruction": config.ef_construction}
    if config.kind == "ivf":
        return "IVF_FLAT", {"nlist": min(65_536, config.lists or max(1, round(4 * rows**0.5)))}
    return "FLAT", {}


def search_settings(config: IndexConfig) -> dict[str, int]:
    """What searches an index of `config`."""
    if config.kind == "hnsw":
        return {"ef": config.ef_search}
    return {"nprobe": config.probes} if config.kind == "ivf" else {}


def _table(scores: Sequence[Vectors], rows: Sequence[Rows], k: int, coverage: float) -> Reached:
    """Hits as a table of `k` columns; where a query found fewer, though they exist, not all was searched."""
    table = Reached(np.zeros((len(scores), k), np.float32), np.full((len(scores), k), -1, np.int64), coverage)
    for query, (of_query, found) in enumerate(zip(scores, rows, strict=True)):
        count = min(k, len(found))
        table.scores[query, :count], table.rows[query, :count] = of_query[:count], found[:count]
    fullest = min((min(k, len(found)) for found in rows), default=k)
    return table._replace(coverage=min(coverage, fullest / k))
