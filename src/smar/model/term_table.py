"""What a query's words add to its vector: a table of learnt word vectors. Knows arrays and no network."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64

from smar.model.grams import words_of

HASHES, ROWS = "term_hashes.npy", "term_rows.npy"


def hash_words(words: Sequence[str]) -> Int64[np.ndarray, " word"]:
    """The number that stands for each word (CRC-32): two of a million words that share one look alike."""
    return np.array([zlib.crc32(word.encode()) for word in words], dtype=np.int64)


class TermTable(NamedTuple):
    """The vectors [word, dim] of words, float32, found by the words' hashes, which are sorted."""

    hashes: Int64[np.ndarray, " word"]
    rows: Float32[np.ndarray, "word dim"]

    @classmethod
    def load(cls, folder: Path, words: int) -> TermTable:
        """Read what `save` wrote of so many words.

        Raises:
            OSError: an array is missing.
            ValueError: an array is damaged, or of another number of words.
        """
        hashes, rows = (np.load(folder / name, allow_pickle=False) for name in (HASHES, ROWS))
        if not len(hashes) == len(rows) == words:
            raise ValueError(f"{HASHES} and {ROWS} are not of {words:,} words")
        return cls(hashes, rows)

    def save(self, folder: Path) -> None:
        """Write both arrays to `folder`."""
        np.save(folder / HASHES, self.hashes, allow_pickle=False)
        np.save(folder / ROWS, self.rows, allow_pickle=False)

    def join(
        self, vectors: Float32[np.ndarray, "query dim"], texts: Sequence[str]
    ) -> Float32[np.ndarray, "query joined"]:
        """Queries' unit vectors with the sum of their words' vectors beside them.

        A word that is not in the table adds nothing; one that stands twice counts once. The result is longer than
        one where words are known: were it scaled, queries could no longer be added and subtracted.
        """
        sums = np.zeros((len(texts), self.rows.shape[1]), np.float32)
        for place, text in enumerate(texts):
            sums[place] = self.rows[self.places(list(dict.fromkeys(words_of(text))))].sum(0)
        return np.concatenate([vectors, sums], axis=1)

    def places(self, words: Sequence[str]) -> Int64[np.ndarray, " known"]:
        """The rows of those of `words` that are in the table."""
        hashes = hash_words(words)
        at = np.searchsorted(self.hashes, hashes)
        known = at < len(self.hashes)
        known[known] = self.hashes[at[known]] == hashes[known]
        found: Int64[np.ndarray, " known"] = at[known]
        return found
