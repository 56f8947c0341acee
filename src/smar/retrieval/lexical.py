"""Finds items by the words they share with a query: BM25 over the catalogue's text fields.

Knows no model and no vector; bm25s does the arithmetic.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import bm25s
import numpy as np
import numpy.typing as npt
import polars as pl
import Stemmer
from bm25s.stopwords import STOPWORDS_EN
from pydantic import Field

from smar.config import Config
from smar.data.catalog import Catalog
from smar.errors import ConfigError, DataError, MismatchError, ModelError, QueryError
from smar.files import whole_folder
from smar.progress import track

FORMAT = 2

# Words of two characters or more, as bm25s itself splits text.
_words = re.compile(r"(?u)\b\w\w+\b").findall
_STOPWORDS = frozenset(STOPWORDS_EN)


class BM25Config(Config):
    """How text becomes words, and words a score."""

    fields: tuple[str, ...] = ("title", "brand", "category", "description")
    """Text columns of the catalogue, joined into one text an item; empty ones are skipped."""
    k1: float = Field(1.5, ge=0)
    """How slowly a word's repetitions saturate; 0 counts a word once."""
    b: float = Field(0.75, ge=0, le=1)
    """How much long texts are marked down, from 0 (not) to 1 (fully)."""
    stemmer: Literal["english", "none"] = "english"
    """Whether words are cut to their English stems, so that `boots` finds `boot`."""
    remove_stopwords: bool = True
    """Whether English stopwords such as `the` and `with` are left out."""


class BM25:
    """A word index of a catalogue; ranks items by BM25 in Lucene's variant."""

    def __init__(
        self,
        config: BM25Config,
        item_ids: Sequence[str],
        index: bm25s.BM25,
        catalog_fingerprint: str,
        mean_length: float,
    ) -> None:
        self.config = config
        self.name = "BM25"
        self.catalog_fingerprint = catalog_fingerprint
        self.mean_length = mean_length
        self._item_ids = item_ids
        self._index = index

    @classmethod
    def build(cls, catalog: Catalog, config: BM25Config | None = None) -> BM25:
        """Index the words of every item.

        Raises:
            ConfigError: a field is no text column of the catalogue.
            DataError: no item has a word in these fields.
        """
        config = config or BM25Config()
        tokens = [_tokens(text, config) for text in track(_texts(catalog, config), "index words")]
        # Sorted, because bm25s' own vocabulary follows the order of a set, which differs from process to
        # process.
        vocabulary = {
            word: number for number, word in enumerate(sorted({word for text in tokens for word in text}))
        }
        if not vocabulary:
            raise DataError(
                f"catalogue: no item has a word in {', '.join(config.fields)}; name other fields for BM25"
            )
        index = bm25s.BM25(k1=config.k1, b=config.b, method="lucene", backend="numpy", csc_backend="numpy")
        numbers = [[vocabulary[word] for word in text] for text in tokens]
        index.index((numbers, vocabulary), create_empty_token=False, show_progress=False)
        mean_length = sum(map(len, tokens)) / len(tokens)
        return cls(config, catalog.item_ids, index, catalog.fingerprint, mean_length)

    def scores(self, query: str) -> npt.NDArray[np.float32]:
        """BM25 score of every catalogue row; 0 where an item shares no word with the query."""
        # Sorted, so that the order of a query's words changes no rounding.
        numbers = sorted(self._index.get_tokens_ids(_tokens(query, self.config)))
        if not numbers:
            return np.zeros(len(self._item_ids), dtype=np.float32)
        scores: npt.NDArray[np.float32] = self._index.get_scores_from_ids(numbers)
        return scores

    def tokens(self, text: str) -> list[str]:
        """The stems that a text is searched by."""
        return _tokens(text, self.config)

    def others(self, catalog: Catalog) -> OtherWords:
        """Score items that this index does not hold, as if they were among many that it does."""
        tokens = [_tokens(text, self.config) for text in _texts(catalog, self.config)]
        return OtherWords(self, [Counter(words) for words in tokens])

    def rarity(self, word: str) -> float:
        """How much a word weighs (Lucene's idf), by how many items of the index have it."""
        numbers = self._index.get_tokens_ids([word])
        starts = self._index.scores["indptr"]
        having = int(starts[numbers[0] + 1] - starts[numbers[0]]) if numbers else 0
        return math.log(1 + (len(self) - having + 0.5) / (having + 0.5))

    def weight(self, query: str) -> float:
        """The sum of the rarities of a query's words, repeated ones as often: no item scores more."""
        return sum(self.rarity(word) for word in sorted(_tokens(query, self.config)))

    def rank_rows(
        self, query: str, k: int, allowed: npt.NDArray[np.bool_] | None = None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """The k best catalogue rows and their scores, best first, equal scores by row (which is by item id).

        Args:
            query: what the shopper typed.
            k: how many rows at most; items that share no word with the query are never among them.
            allowed: which rows may be returned [row]; all if not given.

        Raises:
            QueryError: k is below one.
        """
        if k < 1:
            raise QueryError(f"k = {k}: ask for one item or more")
        scores = self.scores(query)
        rows = np.flatnonzero(scores > 0 if allowed is None else (scores > 0) & allowed)
        if len(rows) > k:
            # Keep all that tie with the k-th, then cut in the order of rows.
            least = np.partition(scores[rows], len(rows) - k)[len(rows) - k]
            rows = rows[scores[rows] >= least]
        best = rows[np.lexsort((rows, -scores[rows]))][:k]
        return best, scores[best]

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        """Per query up to k (item_id, score), best first, equal scores by item id."""
        return [
            [
                (self._item_ids[row], float(score))
                for row, score in zip(*self.rank_rows(query, k), strict=True)
            ]
            for query in queries
        ]

    def __len__(self) -> int:
        return len(self._item_ids)

    def save(self, folder: Path) -> None:
        """Write the index to `folder`, whole or not at all, as NumPy arrays and JSON."""
        about = {
            "format": FORMAT,
            "catalog": self.catalog_fingerprint,
            "items": len(self),
            "mean_length": self.mean_length,
            "config": self.config.model_dump(mode="json"),
        }
        with whole_folder(folder) as part:
            self._index.save(part, show_progress=False, allow_pickle=False)
            (part / "about.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, catalog: Catalog) -> BM25:
        """Read an index that `save` wrote for this very catalogue.

        Raises:
            ModelError: the folder holds no readable BM25 index.
            MismatchError: it was built for another catalogue.
        """
        try:
            about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
            config = BM25Config.check(about["config"], where=str(folder / "about.json"))
            made_for, mean_length = str(about["catalog"]), float(about["mean_length"])
            index = bm25s.BM25.load(folder, load_corpus=False, allow_pickle=False, show_progress=False)
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{folder}: holds no readable BM25 index ({error}); build it again") from error
        if made_for != catalog.fingerprint:
            raise MismatchError(
                f"{folder}: made for catalogue {made_for}, not for {catalog.fingerprint}; build it again"
            )
        return cls(config, catalog.item_ids, index, made_for, mean_length)


class OtherWords:
    """Words of items beside an index, scored with the rarities and the mean length of the index's own items."""

    def __init__(self, index: BM25, counts: Sequence[Counter[str]]) -> None:
        self._index = index
        self._counts = counts

    def scores(self, query: str) -> npt.NDArray[np.float32]:
        """BM25 score of every item; 0 where it shares no word with the query."""
        config = self._index.config
        scores = np.zeros(len(self._counts), np.float64)
        for word in sorted(_tokens(query, config)):
            rarity = self._index.rarity(word)
            for row, counts in enumerate(self._counts):
                if counts[word]:
                    length = counts.total() / self._index.mean_length
                    scores[row] += (
                        rarity
                        * counts[word]
                        / (counts[word] + config.k1 * (1 - config.b + config.b * length))
                    )
        return scores.astype(np.float32)


def _texts(catalog: Catalog, config: BM25Config) -> list[str]:
    for field in config.fields:
        if field not in catalog.table.columns:
            raise ConfigError(
                f"fields: the catalogue has no column `{field}`; it has {', '.join(catalog.table.columns)}"
            )
        if catalog.table.schema[field] != pl.String:
            raise ConfigError(
                f"fields: column `{field}` holds no text but {catalog.table.schema[field]}; leave it out"
            )
    if not config.fields:
        raise ConfigError("fields: none is named; name a text column such as title")
    joined = pl.concat_str([pl.col(field) for field in config.fields], separator=" ", ignore_nulls=True)
    return catalog.table.select(text=joined)["text"].to_list()


def _tokens(text: str, config: BM25Config) -> list[str]:
    words = _words(text.lower())
    if config.remove_stopwords:
        words = [word for word in words if word not in _STOPWORDS]
    if config.stemmer == "none":
        return words
    # A stemmer keeps a cache that two threads must not share; making one costs microseconds.
    stems: list[str] = Stemmer.Stemmer(config.stemmer).stemWords(words)
    return stems
