"""The lexical part of a vector: which words and letter trigrams a text has, sketched in few components.

Knows the spelling of words and nothing of their meaning, which is the text tower's.
"""

from __future__ import annotations

import math
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Float32, Int32, Int64
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from smar.config import Config
from smar.data.clicks import normalise_query
from smar.model.towers import unit

BUCKETS = 65_536
"""Words and trigrams are hashed to as many numbers; two that share one look alike (our choice)."""

_WORD = re.compile(r"[^\W_]+(?:[./-][^\W_]+)*")
_FIRST_RATIO = 0.5


class LexicalConfig(Config):
    """What vectors keep of spelling, which a pretrained encoder blurs: part numbers, sizes, brands, misspellings."""

    dim: int = Field(default=384, ge=0)
    """Components that it adds to `dim`; 0 leaves it out. Fewer make smaller indexes and more chance likenesses."""


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
            for word in _WORD.findall(normalise_query(text)):
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


class LexicalSketch(nn.Module):
    """L(text), and vectors that carry it beside their meaning (our choice; not in the paper).

    L(text) sums a fixed random code of +1 and -1 for each word and letter trigram (word hashing as in DSSM,
    Huang et al. 2013), weighted by 1 + log(tf) and by rarity in the catalogue, and is scaled to unit length: the
    product of two sketches is close to the cosine of their TF-IDF vectors, with an error of about 1 / sqrt(dim).
    A query decides by its meaning how much the spelling counts; only that head is trained.
    """

    codes: Tensor
    rarity: Tensor

    def __init__(self, dim: int, config: LexicalConfig) -> None:
        super().__init__()
        self.dim = config.dim
        self.ratio = nn.Linear(dim, 1)
        nn.init.zeros_(self.ratio.weight)
        nn.init.constant_(self.ratio.bias, math.log(_FIRST_RATIO))
        self.register_buffer("codes", _codes(config.dim), persistent=False)
        self.register_buffer("rarity", torch.ones(BUCKETS))

    def measure(self, grams: Grams) -> None:
        """Take each gram's rarity from a catalogue's texts: log((1 + texts) / (1 + texts that have it)) + 1."""
        having = np.bincount(grams.ids, minlength=BUCKETS)
        rarity = np.log((1 + len(grams)) / (1 + having)) + 1
        self.rarity.copy_(torch.from_numpy(rarity))

    def forward(self, grams: Grams) -> Float[Tensor, "text lexical"]:
        """L of each text: unit vectors; zero for a text without a letter or digit."""
        device = self.codes.device
        ids = torch.from_numpy(grams.ids).to(device)
        weights = torch.from_numpy(grams.weights).to(device) * self.rarity[ids]
        starts = torch.from_numpy(grams.starts[:-1]).to(device)
        return unit(F.embedding_bag(ids, self.codes, starts, mode="sum", per_sample_weights=weights))

    def with_item_words(
        self, vectors: Float[Tensor, "item dim"], sketches: Float[Tensor, "item lexical"]
    ) -> Float[Tensor, "item joined"]:
        """Meaning and spelling of items side by side, in equal parts, of unit length."""
        return unit(torch.cat([vectors, sketches], dim=-1))

    def with_query_words(
        self, vectors: Float[Tensor, "query dim"], grams: Grams
    ) -> Float[Tensor, "query joined"]:
        """Meaning and spelling of queries side by side, in parts that the meaning decides, of unit length."""
        ratio = self.ratio(vectors).float().exp()
        return unit(torch.cat([vectors, ratio * self(grams)], dim=-1))

    def without_words(self, vectors: Float[Tensor, "image dim"]) -> Float[Tensor, "image joined"]:
        """Vectors of what has no words, an image, beside a zero."""
        return F.pad(vectors, (0, self.dim))


def _hash_word(word: str) -> list[int]:
    """The word itself and its letter trigrams, with marks where it begins and ends, as buckets."""
    marked = f"<{word}>"
    grams = [f" {word}", *(marked[at : at + 3] for at in range(len(marked) - 2))]
    return [zlib.crc32(gram.encode()) % BUCKETS for gram in grams]


def _codes(dim: int) -> Float[Tensor, "bucket dim"]:
    """+1 or -1 over sqrt(dim) for each bucket and component, the same on every machine."""
    words = np.random.PCG64(0).random_raw(math.ceil(BUCKETS * dim / 64))
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), count=BUCKETS * dim)
    signs = bits.reshape(BUCKETS, dim).astype(np.float32) * 2 - 1
    return torch.from_numpy(signs / math.sqrt(max(dim, 1)))
