"""Which words and letter trigrams a text has, hashed, and the random code of each. Knows arrays and no network."""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32, Int8, Int32, Int64

from smar.data.clicks import normalise_query

BUCKETS = 65_536
"""Words and trigrams are hashed to as many numbers; two that share one look alike (our choice)."""

_WORD = re.compile(r"[^\W_]+(?:[./-][^\W_]+)*")


@dataclass(frozen=True)
class Grams:
    """The hashed words and letter trigrams of texts, each once a text; a text's lie at `starts[row]:starts[row + 1]`.

    `weights` are 1 + log(occurrences in the text).
    """

    ids: Int32[np.ndarray, " gram"]
    weights: Float32[np.ndarray, " gram"]
    starts: Int64[np.ndarray, " start"]

    @classmethod
    def read(cls, texts: Sequence[str]) -> Grams:
        """Find the grams of each text, spelt as queries are normalised."""
        of_word: dict[str, list[int]] = {}
        ids: list[int] = []
        counts: list[int] = []
        starts = [0]
        for text in texts:
            found: Counter[int] = Counter()
            for word in words_of(normalise_query(text)):
                if word not in of_word:
                    of_word[word] = _hash_word(word)
                found.update(of_word[word])
            ids.extend(found.keys())
            counts.extend(found.values())
            starts.append(len(ids))
        weights = 1 + np.log(np.array(counts, dtype=np.float32))
        return cls(np.array(ids, dtype=np.int32), weights, np.array(starts, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.starts) - 1

    def take(self, rows: Int64[np.ndarray, " row"]) -> Grams:
        """The grams of the texts in `rows`, in their order."""
        counts = self.starts[rows + 1] - self.starts[rows]
        starts = np.concatenate([[0], np.cumsum(counts)])
        at = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], counts)
        return Grams(self.ids[at], self.weights[at], starts)


def words_of(text: str) -> list[str]:
    """The words of a normalised text, in order: letters and digits, with dots, dashes and slashes between them."""
    return _WORD.findall(text)


def signs(dim: int) -> Int8[np.ndarray, "bucket dim"]:
    """+1 or -1 for each bucket and component, the same on every machine."""
    words = np.random.PCG64(0).random_raw(math.ceil(BUCKETS * dim / 64))
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), count=BUCKETS * dim)
    return bits.reshape(BUCKETS, dim).astype(np.int8) * 2 - 1


def _hash_word(word: str) -> list[int]:
    """The word itself and its letter trigrams, with marks where it begins and ends, as buckets."""
    marked = f"<{word}>"
    grams = [f" {word}", *(marked[at : at + 3] for at in range(len(marked) - 2))]
    return [zlib.crc32(gram.encode()) % BUCKETS for gram in grams]
