"""Judges what the command line names: a run, with an image mode or without, BM25, or a file of rankings.

Knows how these are opened; nothing of measures, nor of how anything is searched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Self

from smar.data.judgments import Qrels, read_queries
from smar.data.records import Query
from smar.data.shop import Shop
from smar.errors import ConfigError, DataError, MismatchError
from smar.evaluation.evaluate import evaluate_run, retrieve
from smar.evaluation.measures import depth_of, parse_measures
from smar.evaluation.report import Report
from smar.evaluation.run import Run
from smar.experiment.runs import open_run
from smar.progress import console
from smar.retrieval.engine import IMAGE_MODES, ImageMode, SearchEngine
from smar.retrieval.engines.milvus.address import MilvusAddress
from smar.retrieval.hybrid import Hybrid, Ranker
from smar.retrieval.lexical import BM25

WORD_SEARCH = "bm25"
_FUSED = f"+{WORD_SEARCH}"


@dataclass(frozen=True)
class JudgedQueries:
    """Queries and what is known of their answers."""

    queries: Sequence[Query]
    qrels: Qrels

    @classmethod
    def read(cls, shop: Shop, split: str, queries: Path | None = None, qrels: Path | None = None) -> Self:
        """Read a split of `shop`, or two files that lie anywhere.

        Raises:
            ConfigError: one of the two files is given without the other.
            DataError: the shop has no such split, or a file cannot be read.
        """
        if (queries is None) != (qrels is None):
            raise ConfigError("queries, qrels: one is given without the other; give both files, or a split")
        if queries is None or qrels is None:
            return cls(shop.queries(split), shop.qrels(split))
        for path in (queries, qrels):
            if not path.is_file():
                raise DataError(f"{path}: is no file; give judged queries and their qrels")
        return cls(read_queries(queries), Qrels.read(qrels))


@dataclass(frozen=True)
class Judged:
    """What a contender ranked, and what that is worth."""

    run: Run
    report: Report


@dataclass(frozen=True)
class _Asked:
    """A retriever under the name that tables show."""

    name: str
    retriever: Ranker

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        return self.retriever.rank(queries, k)


@dataclass(frozen=True)
class _SameWords:
    """Asks for the words that a search engine reads out of a query."""

    engine: SearchEngine
    retriever: Ranker

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        return self.retriever.rank(self.engine.read(queries), k)


@dataclass(frozen=True, slots=True)
class Contender:
    """One thing to judge: `source` is the folder of a run, a file of rankings, or `bm25`."""

    source: str
    image: ImageMode | None = None
    name: str = ""
    """What tables call it."""
    with_words: bool = False
    """Whether its ranking is fused with BM25's."""

    @property
    def is_file(self) -> bool:
        """Whether it was ranked before, by whatever program."""
        return Path(self.source).is_file()

    @property
    def is_words(self) -> bool:
        """Whether it is BM25, unless something of that name lies here."""
        return self.source == WORD_SEARCH and not Path(self.source).exists()

    def called(self, source: str) -> str:
        """Its name, if `source` is how to call the source."""
        if self.is_words:
            return "BM25"
        mode = "" if self.image is None else f":{self.image}"
        return source + mode + (_FUSED if self.with_words else "")


def contenders(named: Sequence[str], images: Sequence[ImageMode] = ()) -> list[Contender]:
    """Understand `RUN`, `RUN:never`, `RUN+bm25`, `RUN:never+bm25`, a TREC run file or `bm25`.

    A run named without a mode gets all `images`.

    Each is called by the last part of its path, with its mode, or by its whole path where two would be called
    alike. What is named twice is taken once.

    Raises:
        ConfigError: nothing is named.
    """
    if not named:
        raise ConfigError("nothing to judge; name a run's folder, a TREC run file, or bm25")
    found = list(dict.fromkeys(_parse(text, mode) for text in named for mode in images or (None,)))
    short = [one.called(Path(one.source).name) for one in found]
    return [
        replace(one, name=one.called(one.source) if short.count(name) > 1 else name)
        for one, name in zip(found, short, strict=True)
    ]


def judge(
    chosen: Sequence[Contender],
    shop: Shop,
    judged: JudgedQueries,
    measures: Sequence[str],
    *,
    as_typed: bool = False,
    cluster: MilvusAddress | None = None,
) -> list[Judged]:
    """Ask every contender the judged queries, and measure the answers; `as_typed`, no run corrects their spelling.

    Runs whose index is in the `cluster` are searched there.

    Raises:
        DataError: a run has no index, or a file cannot be read.
        MismatchError: an index is not of this shop as it is now.
        ConfigError: a measure is unknown.
    """
    depth = depth_of(parse_measures(measures))
    engines: dict[str, SearchEngine] = {}
    words = cache(lambda: BM25.build(shop.catalog))
    results = []
    for one in chosen:
        if one.is_file:
            run = Run.read(one.source, name=one.name)
        else:
            if not one.is_words and one.source not in engines:
                engines[one.source] = _engine(one.source, shop, cluster, as_typed=as_typed)
            retriever = _retriever(one, engines, words)
            run = retrieve(_Asked(one.name, retriever), judged.queries, depth)
        results.append(Judged(run, evaluate_run(run, judged.queries, judged.qrels, measures)))
    texts = [query.text for query in judged.queries]
    for source, engine in engines.items():
        pairs = zip(engine.read(texts), engine.as_typed().read(texts), strict=True)
        if corrected := sum(read != typed for read, typed in pairs):
            console.print(
                f"{source}: {corrected:,} of {len(texts):,} queries have words that the shop does not know, "
                "searched for as known ones",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )
    return results


def _parse(text: str, image: ImageMode | None) -> Contender:
    if Path(text).is_file() or Contender(text).is_words:
        return Contender(str(Path(text)))
    fused = text.endswith(_FUSED) and not Path(text).exists()
    plain = text.removesuffix(_FUSED) if fused else text
    source, _, mode = plain.rpartition(":")
    for known in IMAGE_MODES:
        if source and mode == known and not Path(plain).exists():
            return Contender(str(Path(source)), known, with_words=fused)
    return Contender(str(Path(plain)), image, with_words=fused)


def _engine(source: str, shop: Shop, cluster: MilvusAddress | None, *, as_typed: bool) -> SearchEngine:
    run = open_run(Path(source))
    engine = run.engine(None if cluster is None else cluster.patient())
    if engine.catalog.fingerprint != shop.catalog.fingerprint:
        raise MismatchError(
            f"{source}: its index is of another catalogue than {shop.folder}; "
            f"run `smar index {shop.folder} {source}`"
        )
    return engine.as_typed() if as_typed else engine


def _retriever(one: Contender, engines: dict[str, SearchEngine], words: Callable[[], BM25]) -> Ranker:
    if one.is_words:
        return words()
    engine = engines[one.source]
    engine = engine if one.image is None else engine.with_image_mode(one.image)
    return _SameWords(engine, Hybrid(engine.as_typed(), words())) if one.with_words else engine
