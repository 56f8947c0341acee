"""Words that a shop does not know, read as the known words that look most like them. Knows words and counts only."""

from __future__ import annotations

import copy
import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import polars as pl
from rapidfuzz import process
from rapidfuzz.distance import OSA

from smar.data.catalog import Catalog
from smar.data.clicks import ClickLog, normalise_query
from smar.errors import DataError
from smar.retrieval.suggestions import LEAST_CLICKS

FILE = "spelling.parquet"
_FIELDS = ("title", "brand", "category")
_WORD = re.compile(r"[^\W\d_]+")
_SHORTEST = 4
"""Shorter words have too many neighbours to tell which was meant."""
_LONG = 7
"""From so many letters on, two may be wrong; in shorter words one."""
_REMEMBERED = 10_000


class Spelling:
    """A shop's words, each with how many items have it plus how many clicks its queries led to.

    A word that is not among them becomes the one with the fewest letters missing, added, changed or swapped with
    their neighbours; among equals one with the same first letter, then the most frequent. Singulars and plurals of
    known words are known; words with digits are never changed. All of this is our choice: docs/decisions/0015.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._counts = dict(counts)
        self._by_length: dict[int, list[str]] = {}
        for word in sorted(word for word in self._counts if len(word) >= _SHORTEST - 1):
            self._by_length.setdefault(len(word), []).append(word)
        self._nearest = self._remembering(frozenset())

    @classmethod
    def of(cls, catalog: Catalog, log: ClickLog | None = None) -> Spelling:
        """The words of a catalogue and of a log's queries; not those of queries with fewer than three clicks."""
        counts = _count_items(catalog)
        if log is not None:
            clicked = log.table.group_by("query").agg(pl.col("clicks").sum())
            for query, clicks in clicked.filter(pl.col("clicks") >= LEAST_CLICKS).iter_rows():
                for word in set(_WORD.findall(query)):
                    counts[word] += clicks
        return cls(counts)

    def knowing(self, catalog: Catalog) -> Spelling:
        """The same, but words of some more items stay as they are; nothing is corrected to them."""
        other = copy.copy(self)
        other._nearest = self._remembering(frozenset(_count_items(catalog)))
        return other

    def correct(self, text: str) -> str:
        """A normalised text with its unknown words replaced, where a known one is near."""
        return " ".join(map(self._nearest, text.split(" ")))

    def write(self, folder: Path) -> None:
        """Keep the words in `folder`."""
        table = {"word": list(self._counts), "count": list(self._counts.values())}
        pl.DataFrame(table, schema={"word": pl.String, "count": pl.UInt32}).write_parquet(folder / FILE)

    @classmethod
    def read(cls, folder: Path) -> Spelling | None:
        """What `write` wrote; None where it wrote nothing.

        Raises:
            DataError: the file is damaged.
        """
        path = folder / FILE
        if not path.exists():
            return None
        try:
            return cls(dict(pl.read_parquet(path).select("word", "count").iter_rows()))
        except pl.exceptions.PolarsError as error:
            raise DataError(f"{path}: cannot be read ({error}); index the shop again") from error

    def _remembering(self, also: frozenset[str]) -> Callable[[str], str]:
        # Of no object that holds it: a service drops these with every change, and looks for circles hardly ever.
        return functools.lru_cache(_REMEMBERED)(functools.partial(_look, self._counts, self._by_length, also))


def _look(
    counts: Mapping[str, int], by_length: Mapping[int, list[str]], also: frozenset[str], word: str
) -> str:
    """The known word that is nearest to `word`, or itself if it is known, short, or near to none."""
    if len(word) < _SHORTEST or not _WORD.fullmatch(word):
        return word
    if any(form in counts or form in also for form in _forms(word)):
        return word
    wrong = 2 if len(word) >= _LONG else 1
    near = [
        (distance, found[0] != word[0], -counts[found], found)
        for length in range(len(word) - wrong, len(word) + wrong + 1)
        for found, distance, _ in process.extract(
            word, by_length.get(length, ()), scorer=OSA.distance, score_cutoff=wrong, limit=None
        )
    ]
    return min(near)[3] if near else word


def _forms(word: str) -> Iterable[str]:
    """A word as it is, and what may be its singular or plural."""
    yield word
    yield f"{word}s"
    yield f"{word}es"
    yield word.removesuffix("s")
    yield word.removesuffix("es")


def _count_items(catalog: Catalog) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in catalog.table.select(_FIELDS).iter_rows():
        counts.update(set(_WORD.findall(normalise_query(" ".join(cell for cell in row if cell)))))
    return counts
