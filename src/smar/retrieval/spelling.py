"""Words that a shop does not know, read as the known words that look most like them. Knows words and counts only."""

from __future__ import annotations

import copy
import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

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
_PART = 3
"""Shorter words are made of others' ends too easily to be found by moving a space."""
_FREQUENT = 10
"""What items and clicks a word must have to be found so."""
_REMEMBERED = 10_000


class Spelling:
    """A shop's words, each with how many items have it plus how many clicks its queries led to.

    A word that is not among them becomes the one with the fewest letters missing, added, changed or swapped with
    their neighbours; among equals one with the same first letter, then the most frequent. A missing space comes
    back where it leaves two frequent words (and no single letter would do); one between unknown words goes, or moves a
    letter, where that leaves frequent ones. Singulars and plurals of known words are known; words with digits are
    never changed. All of this is our choice: docs/decisions/0015.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._words = _Words.of(dict(counts))
        self._nearest = self._remembering()

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
        other._words = self._words._replace(also=frozenset(_count_items(catalog)))
        other._nearest = other._remembering()
        return other

    def correct(self, text: str) -> str:
        """A normalised text with its unknown words replaced, where known ones are near."""
        return " ".join(self._corrected(text.split(" ")))

    def write(self, folder: Path) -> None:
        """Keep the words in `folder`."""
        counts = self._words.counts
        table = {"word": list(counts), "count": list(counts.values())}
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

    def _corrected(self, typed: list[str]) -> Iterator[str]:
        places = iter(range(len(typed)))
        for place in places:
            both = self._words.with_space_moved(*typed[place : place + 2]) if place + 1 < len(typed) else None
            if both:
                next(places)
            yield both or self._nearest(typed[place])

    def _remembering(self) -> Callable[[str], str]:
        # Of no object that holds it: a service drops these with every change, and looks for circles hardly ever.
        return functools.lru_cache(_REMEMBERED)(self._words.nearest)


class _Words(NamedTuple):
    """Known words with their counts, those of each length, and words that are known but never a correction."""

    counts: Mapping[str, int]
    by_length: Mapping[int, list[str]]
    also: frozenset[str] = frozenset()

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> _Words:
        by_length: dict[int, list[str]] = {}
        for word in sorted(word for word in counts if len(word) >= _SHORTEST - 1):
            by_length.setdefault(len(word), []).append(word)
        return cls(counts, by_length)

    def nearest(self, word: str) -> str:
        """The known word, or two of them, nearest to `word`; itself if it is known, short, or near to none."""
        if len(word) < _SHORTEST or self._is_settled(word):
            return word
        wrong = 2 if len(word) >= _LONG else 1
        near = [
            (distance, found[0] != word[0], -self.counts[found], found)
            for length in range(len(word) - wrong, len(word) + wrong + 1)
            for found, distance, _ in process.extract(
                word, self.by_length.get(length, ()), scorer=OSA.distance, score_cutoff=wrong, limit=None
            )
        ]
        best = min(near, default=None)
        if best is not None and best[0] == 1:
            return best[-1]
        two = self._most_frequent((word[:place], word[place:]) for place in range(1, len(word)))
        return two or (best[-1] if best else word)

    def with_space_moved(self, first: str, second: str) -> str | None:
        """Frequent words that two, unknown or one of them short, become without the space or with it a letter on."""
        settled = [word for word in (first, second) if self._is_settled(word)]
        if len(settled) > 1 or any(len(word) >= _PART for word in settled):
            return None
        joined = first + second
        if not _WORD.fullmatch(joined):
            return None
        place = len(first)
        parts = ((joined[:at], joined[at:]) for at in (place - 1, place + 1))
        return self._most_frequent([*parts, (joined,)])

    def _is_settled(self, word: str) -> bool:
        """Whether it is known, or nothing that letters spell."""
        if not _WORD.fullmatch(word):
            return True
        return any(form in self.counts or form in self.also for form in _forms(word))

    def _most_frequent(self, ways: Iterable[tuple[str, ...]]) -> str | None:
        """Of these ways to write something, the one whose rarest word is the most frequent, if that is frequent."""
        counted = [(min(map(self._count, words)), words) for words in ways]
        count, words = max(counted, default=(0, ()))
        return " ".join(words) if count >= _FREQUENT else None

    def _count(self, word: str) -> int:
        return self.counts.get(word, 0) if len(word) >= _PART else 0


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
