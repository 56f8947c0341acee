"""The generation of an index that requests are answered from, and how a newer one takes its place meanwhile.

Knows runs on disk; nothing of HTTP.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path

from smar.errors import SmarError
from smar.model.smar import SMAR
from smar.model.store import FOLDER
from smar.retrieval.engine import SearchEngine
from smar.retrieval.generations import current
from smar.retrieval.lexical import BM25
from smar.retrieval.suggestions import Suggestions, read_suggestions
from smar.serving.embedding import BatchingEmbedder
from smar.serving.searching import Searcher

_log = logging.getLogger("smar.serving")
_SECONDS_BETWEEN_LOOKS = 0.5


@dataclass(frozen=True)
class Opened:
    """One generation, ready: what a request takes at its beginning and keeps to its end."""

    name: str
    searcher: Searcher
    suggestions: Suggestions

    @property
    def engine(self) -> SearchEngine:
        """Its search engine."""
        return self.searcher.engine


class CurrentGeneration:
    """Opens the current generation of a run and follows its pointer, as publish and roll-back move it.

    A generation that cannot be opened is reported in the log, and the one before goes on answering.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.model = SMAR.load(run / FOLDER)
        self.embedder = BatchingEmbedder(self.model)
        self._refused = ""
        self._stop = threading.Event()
        self._opened = self._open()
        self._thread = threading.Thread(target=self._follow, name="follow generations", daemon=True)
        self._thread.start()

    @property
    def opened(self) -> Opened:
        """What is current now."""
        return self._opened

    def close(self) -> None:
        """Stop following and embedding."""
        self._stop.set()
        self._thread.join()
        self.embedder.close()

    def _open(self) -> Opened:
        generation = current(self.run / "index")
        engine = SearchEngine.open_generation(generation, self.model)
        searcher = Searcher(self.model, engine, BM25.build(engine.catalog), self.embedder)
        return Opened(generation.name, searcher, read_suggestions(generation.path))

    def _follow(self) -> None:
        while not self._stop.wait(_SECONDS_BETWEEN_LOOKS):
            try:
                name = current(self.run / "index").name
                if name in (self._opened.name, self._refused):
                    continue
                self._refused = name
                self._opened = self._open()
                self._refused = ""
                _log.info("generation %s answers", name)
            except SmarError as error:
                _log.error("generation %s stays: %s", self._opened.name, error)
