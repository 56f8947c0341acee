"""Search over a catalogue: a query's vector meets the items' text or multimodal vectors, as the gate decides.

Knows the model as something that embeds; nothing of training, of measures or of how an index works.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol, get_args

from smar.data.catalog import Catalog
from smar.data.clicks import normalise_query
from smar.errors import DataError, MismatchError, QueryError, Unavailable
from smar.model.compiled import FOLDER as QUERIES
from smar.model.compiled import CompiledQueries
from smar.retrieval.engines.milvus.address import MilvusAddress
from smar.retrieval.generations import Generation, current
from smar.retrieval.index import IndexConfig, Rows
from smar.retrieval.indexes import CatalogIndexes, ItemIndexes
from smar.retrieval.results import Hit, SearchResult, VectorChoice
from smar.retrieval.selection import Filters, Selection, Selections
from smar.retrieval.spelling import Spelling
from smar.retrieval.stored import read_stored
from smar.retrieval.vectors import ItemEmbedder, ItemVectors, Vectors

ImageMode = Literal["auto", "always", "never", "soft"]
"""Which item vectors a query meets: `auto` multimodal where the gate reaches the model's threshold and text
elsewhere, `always` multimodal, `never` text, `soft` both, weighted by the gate."""
IMAGE_MODES: tuple[ImageMode, ...] = get_args(ImageMode)

_QUERIES_AT_ONCE = 256


class QueryVectors(Protocol):
    """What a model returns for queries, one row each."""

    @property
    def vectors(self) -> Vectors:
        """Float32 [query, dim], unit length."""

    @property
    def gate(self) -> Vectors:
        """How much an image is expected to help, float32 [query], between 0 and 1."""


class Encoder(Protocol):
    """What a search needs of a model; `smar.model.SMAR` is one."""

    @property
    def fingerprint(self) -> str:
        """A digest of the model's weights and settings."""

    @property
    def gate_threshold(self) -> float:
        """The gate from which `auto` searches multimodal vectors."""

    def embed_queries(self, texts: Sequence[str]) -> QueryVectors:
        """Embed normalised queries, in their order."""

    def cuts(self, text: str) -> bool:
        """Whether a normalised query is too long to be read to its end."""


class IndexingModel(Encoder, ItemEmbedder, Protocol):
    """A model that embeds queries and items."""


class Found(NamedTuple):
    """The hits of one query, before they become items: scores [hit] and catalogue rows [hit], best first."""

    scores: Vectors
    rows: Rows
    vectors: VectorChoice
    gate: float
    coverage: float = 1.0
    """The share of the items that was searched; less than 1 where machines that hold some do not answer."""


class SearchEngine:
    """A model, the indexes it filled and their catalogue; refuses parts that do not belong together.

    Laws: hits are ordered by score, ties by item id; a filter never returns what it excludes, and there
    are fewer than `k` hits only if no more items exist or pass; a query gets the same answer alone and in
    a batch, as far as the model gives it the same vector. How an HNSW index bends this, `FaissIndex` says.
    """

    def __init__(
        self,
        model: Encoder,
        indexes: CatalogIndexes,
        catalog: Catalog,
        image: ImageMode = "auto",
        spelling: Spelling | None = None,
    ) -> None:
        _check_together(model, indexes, catalog)
        self.spelling = spelling
        """Reads unknown words of queries as known ones; None searches for queries as they were typed."""
        self.model = model
        self.indexes = indexes
        self.catalog = catalog
        self.selections = Selections(catalog)
        """Which items pass filters."""
        self.image = image

    @classmethod
    def build(cls, model: IndexingModel, catalog: Catalog, config: IndexConfig | None = None) -> SearchEngine:
        """Embed and index `catalog` in memory; nothing is written."""
        vectors = ItemVectors.build(model, catalog)
        return cls(model, ItemIndexes.build(vectors, config or IndexConfig()), catalog)

    @classmethod
    def open(
        cls, run: Path | str, model: Encoder | None = None, cluster: MilvusAddress | None = None
    ) -> SearchEngine:
        """Open the current generation of the index in `run`; of the shop, only the images are not in it.

        Without `model`, the query tower that `smar index` compiled embeds queries: no torch is loaded. A generation
        that was indexed into a `cluster` is searched there.

        Raises:
            DataError: there is no index, or a file of it is missing or damaged.
            MismatchError: `model` is not the one that filled the index, or the index is not where it is looked for.
            ConfigError: the cluster does not answer.
            ModelError: no `model` is given, and the run has no compiled query tower.
        """
        if model is None:
            model = CompiledQueries.load(Path(run) / QUERIES)
        generation = current(Path(run) / "index")
        while True:
            try:
                return cls.open_generation(generation, model, cluster)
            except DataError:
                # A prune may have removed it since the pointer was read; then there is a newer one.
                newest = current(Path(run) / "index")
                if newest == generation:
                    raise
                generation = newest

    @classmethod
    def open_generation(
        cls, generation: Generation, model: Encoder, cluster: MilvusAddress | None = None
    ) -> SearchEngine:
        """Open this generation, whether or not it is current; raises as `open` does."""
        return cls(model, *read_stored(generation, cluster), spelling=Spelling.read(generation.path))

    @property
    def name(self) -> str:
        """What to call this engine in a table of results."""
        return "smar" if self.image == "auto" else f"smar ({self.image})"

    def __len__(self) -> int:
        return len(self.catalog)

    def __repr__(self) -> str:
        return f"SearchEngine({len(self):,} items, {self.indexes.config.kind} index, image {self.image!r})"

    def with_image_mode(self, image: ImageMode) -> SearchEngine:
        """This engine with another default for `image`, sharing everything."""
        view = copy.copy(self)
        view.image = image_mode(image)
        return view

    def as_typed(self) -> SearchEngine:
        """This engine without correcting anybody's spelling, sharing everything else."""
        view = copy.copy(self)
        view.spelling = None
        return view

    def search(
        self,
        query: str,
        k: int = 10,
        filters: Filters | None = None,
        image: ImageMode | None = None,
    ) -> SearchResult:
        """Find the `k` best items for a query.

        Args:
            query: what the shopper typed; normalised as the queries of training are.
            k: how many hits, at least 1; there are fewer only if no more items exist or pass the filters.
            filters: which items may be returned; `compile_filter` says what they look like.
            image: which item vectors to use; None is the engine's own default, `auto` unless set otherwise.

        Raises:
            QueryError: the query is empty, `k` is below 1, or a filter is not understood.
        """
        return self.search_many([query], k, filters, image)[0]

    def search_many(
        self,
        queries: Sequence[str],
        k: int = 10,
        filters: Filters | None = None,
        image: ImageMode | None = None,
    ) -> list[SearchResult]:
        """Find the `k` best items for each of several queries at once; see `search`."""
        texts = self.read(queries)
        return [
            SearchResult(
                query,
                text,
                self._hits(found),
                found.vectors,
                found.gate,
                found.coverage,
                self.model.cuts(text),
            )
            for query, text, found in zip(queries, texts, self._find(texts, k, filters, image), strict=True)
        ]

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        """The `k` best items of each query as (item id, score), best first: what an evaluation asks for.

        Raises:
            Unavailable: not all items could be searched: figures would be too low.
        """
        ids, ranked = self.catalog.item_ids, []
        for found in self._find(self.read(queries), k):
            if found.coverage < 1:
                raise Unavailable(
                    f"only {found.coverage:.1%} of the items could be searched; repeat it later"
                )
            pairs = zip(found.rows.tolist(), found.scores.tolist(), strict=True)
            ranked.append([(ids[row], score) for row, score in pairs])
        return ranked

    def nearest(
        self,
        embedded: QueryVectors,
        k: int,
        selection: Selection | None = None,
        image: ImageMode | None = None,
        until: float = math.inf,
    ) -> list[Found]:
        """The `k` best rows for each query that is embedded already; `search` does all of it for words.

        Args:
            embedded: vectors and gates.
            k: how many, at least 1.
            selection: which rows may be returned; None allows all.
            image: which item vectors to use; None is the engine's own default.
            until: when the answer is needed, in seconds of `time.monotonic`, if other machines have to be asked.

        Raises:
            Unavailable: other machines hold the vectors, and none of them answers.
        """
        mode = self.image if image is None else image_mode(image)
        selection = self.selections.of() if selection is None else selection
        choices = self._choices(embedded.gate, mode)
        found: dict[int, Found] = {}
        for choice in sorted(set(choices)):
            places = [place for place, chosen in enumerate(choices) if chosen == choice]
            gates = embedded.gate[places]
            best = self.indexes.nearest(choice, embedded.vectors[places], gates, k, selection, until)
            for place, scores, rows, gate in zip(places, best.scores, best.rows, gates, strict=True):
                there = rows >= 0
                found[place] = Found(scores[there], rows[there], choice, float(gate), best.coverage)
        return [found[place] for place in range(len(choices))]

    def _hits(self, found: Found) -> tuple[Hit, ...]:
        pairs = zip(self.catalog.items(found.rows), found.scores.tolist(), strict=True)
        return tuple(Hit(rank, score, item) for rank, (item, score) in enumerate(pairs, start=1))

    def read(self, queries: Sequence[str]) -> list[str]:
        """Queries as they are searched: normalised, unknown words read as known ones.

        Raises:
            QueryError: a query is empty.
        """
        texts = [normalise_query(query) for query in queries]
        for position, text in enumerate(texts):
            if not text:
                raise QueryError(f"query {queries[position]!r} (number {position + 1}) is empty; type a word")
        return texts if self.spelling is None else [self.spelling.correct(text) for text in texts]

    def _find(
        self,
        texts: Sequence[str],
        k: int,
        filters: Filters | None = None,
        image: ImageMode | None = None,
    ) -> Iterator[Found]:
        if image is not None:
            image_mode(image)
        if k < 1:
            raise QueryError(f"k = {k}: a search asks for at least one hit")
        selection = self.selections.of(filters)
        for start in range(0, len(texts), _QUERIES_AT_ONCE):
            embedded = self.model.embed_queries(texts[start : start + _QUERIES_AT_ONCE])
            yield from self.nearest(embedded, k, selection, image)

    def _choices(self, gates: Vectors, mode: ImageMode) -> list[VectorChoice]:
        if mode == "soft":
            return ["soft"] * len(gates)
        is_open = gates >= self.model.gate_threshold if mode == "auto" else [mode == "always"] * len(gates)
        return ["multimodal" if image else "text" for image in is_open]


def _check_together(model: Encoder, indexes: CatalogIndexes, catalog: Catalog) -> None:
    if indexes.model_fingerprint != model.fingerprint:
        raise MismatchError(
            f"the index was filled by model {indexes.model_fingerprint}, this is model "
            f"{model.fingerprint}; index the shop again with this model"
        )
    if indexes.catalog_fingerprint != catalog.fingerprint or len(indexes) != len(catalog):
        raise MismatchError(
            f"the index is of catalogue {indexes.catalog_fingerprint} of {len(indexes):,} items, not "
            f"{catalog.fingerprint} of {len(catalog):,}; index this catalogue again"
        )


def image_mode(word: str) -> ImageMode:
    """The image mode of that name.

    Raises:
        QueryError: there is none.
    """
    for known in IMAGE_MODES:
        if word == known:
            return known
    raise QueryError(f"image = {word!r}: is no image mode; choose {', '.join(IMAGE_MODES)}")
