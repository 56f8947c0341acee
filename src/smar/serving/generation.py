"""What requests are answered from: the current generation of a run's index and the changes since.

Follows the run's pointer, so that a newer generation takes over between two requests. Knows runs on disk; nothing of
HTTP.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from smar.data.catalog import Catalog
from smar.errors import MismatchError, QueryError, SmarError, Unavailable
from smar.model.compiled import CompiledQueries
from smar.retrieval.engine import SearchEngine
from smar.retrieval.engines.milvus.address import MilvusAddress
from smar.retrieval.engines.milvus.filling import announce
from smar.retrieval.engines.milvus.indexes import MilvusIndexes
from smar.retrieval.generations import Generation, current, previous, roll_back
from smar.retrieval.journal import Change, Journal, changed_items, read_changes
from smar.retrieval.stored import folded_changes, read_words
from smar.retrieval.suggestions import Suggestions, read_suggestions
from smar.retrieval.vectors import Digests, ItemArrays
from smar.serving.embedding import RememberingEmbedder
from smar.serving.searching import Searcher
from smar.serving.segments import Segments

if TYPE_CHECKING:
    from smar.model.smar import SMAR

_log = logging.getLogger("smar.serving")
_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_TO_ANNOUNCE = 5.0
_PREPARED, _SECONDS_TO_PREPARE = 4_000, 30.0
"""So many of the log's most clicked queries are searched for ahead, as far as one comes in this time."""

Proposed = tuple[str, Mapping[str, Any] | None]
"""An item id and the item as it shall be, or None where it shall be gone."""


class SteadyModel:
    """A run's model, whose weights no longer change. The whole of it is loaded when it is first needed.

    Queries need only the compiled query tower, where there is one, so that a service starts without torch.
    """

    def __init__(self, run: Path) -> None:
        self._folder = run / "model"
        self._loading = threading.Lock()
        self._model: SMAR | None = None
        self._compiled = CompiledQueries.of_run(run)
        self.is_compiled = self._compiled is not None
        """Whether queries are embedded by a compiled query tower, some ten times as fast as by the model."""
        queries = self._compiled or self.whole()
        self.embed_queries = queries.embed_queries
        self.cuts = queries.cuts
        self.fingerprint = queries.fingerprint
        self.gate_threshold = queries.gate_threshold

    def whole(self) -> SMAR:
        """All of it; it writes no cache of states.

        Raises:
            ModelError: it is missing or damaged.
            MismatchError: the compiled query tower is of another model.
        """
        with self._loading:
            if self._model is None:
                from smar.model.smar import SMAR

                model = SMAR.load(self._folder)
                model.cache = None
                if self._compiled is not None and self._compiled.fingerprint != model.fingerprint:
                    raise MismatchError(
                        f"{self._folder}: is model {model.fingerprint}, the compiled query tower is of "
                        f"{self._compiled.fingerprint}; index the shop again"
                    )
                self._model = model
        return self._model

    def embed_items(self, catalog: Catalog) -> ItemArrays:
        """As the model does."""
        return self.whole().embed_items(catalog)

    def item_digests(self, catalog: Catalog) -> Digests:
        """As the model does."""
        return self.whole().item_digests(catalog)


@dataclass(frozen=True)
class Opened:
    """A moment of the index: what a request takes at its beginning and keeps to its end."""

    name: str
    searcher: Searcher
    suggestions: Suggestions

    @property
    def segments(self) -> Segments:
        """Its items."""
        return self.searcher.segments


class CurrentGeneration:
    """Opens the current generation of a run, follows its pointer, and takes in changes of items.

    A generation that cannot be opened is reported in the log, and the one before goes on answering.
    """

    def __init__(self, run: Path, cluster: MilvusAddress | None = None) -> None:
        self.index = run / "index"
        self._cluster = cluster
        self.model = SteadyModel(run)
        self.embedder = RememberingEmbedder(self.model)
        self._journal = Journal(self.index)
        self._changing = threading.Lock()
        self._looking = threading.Lock()
        self._refused = ""
        self._stop = threading.Event()
        self._opened = self._open(current(self.index))
        self._thread = threading.Thread(target=self._follow, name="follow generations", daemon=True)
        self._thread.start()
        self._preparing = threading.Thread(target=self._prepare, name="prepare", daemon=True)
        self._preparing.start()

    @property
    def opened(self) -> Opened:
        """What is current now."""
        return self._opened

    def check(self, changes: Sequence[Proposed]) -> None:
        """Raise `QueryError` or `DataError` if an item is not as the shop's items are."""
        changed_items(self._opened.segments.engine.catalog, _tried(changes, 0))

    def change(self, changes: Sequence[Proposed]) -> int:
        """Put items in (or, with None, out); on disk, and found by the next search, when this returns.

        Returns:
            The number of the last change.

        Raises:
            QueryError, DataError: an item is not as the shop's items are; then nothing is changed.
        """
        with self._changing:
            segments = self._opened.segments
            # First in memory: what cannot be embedded must not get into the journal.
            changed = segments.with_changes(self.model, _tried(changes, segments.number))
            number = self._journal.append(changes)[-1].number
            self._opened = _with_segments(self._opened, replace(changed, number=number))
            return number

    def look(self) -> None:
        """See whether another generation is current, and open it; one that was refused is not tried again.

        Raises:
            DataError, MismatchError: it cannot be opened; the one before goes on answering.
        """
        # A roll-back looks too; what was opened last must be what was current last.
        with self._looking:
            name = current(self.index).name
            if name in (self._opened.name, self._refused):
                return
            try:
                self._take(self._open(current(self.index)))
            except Unavailable:
                raise  # Later it may be opened.
            except SmarError:
                self._refused = name
                raise

    def roll_back(self) -> None:
        """Let the generation before the current one answer again, and the cluster's alias name it.

        Raises:
            DataError: there is no earlier one.
            Unavailable: it is in a cluster that does not answer; then nothing is changed.
        """
        with self._looking:
            opened = self._open(previous(self.index))
            roll_back(self.index)
            self._take(opened)
        indexes = opened.segments.engine.indexes
        if isinstance(indexes, MilvusIndexes):
            try:
                announce(indexes, seconds=_SECONDS_TO_ANNOUNCE)
            except Unavailable as error:
                # Searches do not go by the alias.
                _log.error("the alias %s names another collection still: %s", indexes.facts.alias, error)

    def close(self) -> None:
        """Stop following, preparing and changing."""
        self._stop.set()
        self._thread.join()
        # A process that ends while a thread loads torch is aborted by it.
        self._preparing.join()
        self._journal.close()

    def _take(self, opened: Opened) -> None:
        """Answer from `opened`, and from what was changed while it was opened."""
        with self._changing:
            newer = read_changes(self.index, after=opened.segments.number)
            self._opened = _with_segments(opened, opened.segments.with_changes(self.model, newer))
        self._refused = ""
        _log.info("generation %s answers", opened.name)

    def _open(self, generation: Generation) -> Opened:
        engine = SearchEngine.open_generation(generation, self.model, self._cluster)
        folded = folded_changes(generation)
        segments = Segments.of(engine, read_words(generation, engine.catalog), folded)
        segments = segments.with_changes(self.model, read_changes(self.index, after=folded))
        searcher = Searcher(self.model.whole, segments, self.embedder)
        return Opened(generation.name, searcher, read_suggestions(generation.path))

    def _prepare(self) -> None:
        """Do what the first photo, explanation, changed item and frequent queries would have to wait for."""
        try:
            self.model.whole()
            if self.model.is_compiled:
                until = time.monotonic() + _SECONDS_TO_PREPARE
                for query in self._opened.suggestions.most_clicked(_PREPARED):
                    if self._stop.is_set() or time.monotonic() > until:
                        return
                    with suppress(QueryError):  # Its words may all be unwanted ones.
                        self._opened.searcher.prepare(query)
        except Unavailable as error:
            _log.error("frequent queries are not searched for ahead: %s", error)
        except SmarError as error:
            _log.error("only searches by words can be answered: %s", error)

    def _follow(self) -> None:
        while not self._stop.wait(_SECONDS_BETWEEN_LOOKS):
            try:
                self.look()
            except Exception as error:
                # Whatever it is, the next generation may be sound.
                _log.error("generation %s stays: %s", self._opened.name, error)


def _tried(changes: Sequence[Proposed], number: int) -> list[Change]:
    return [Change(number, item_id, cells, 0.0) for item_id, cells in changes]


def _with_segments(opened: Opened, segments: Segments) -> Opened:
    return replace(opened, searcher=replace(opened.searcher, segments=segments))
