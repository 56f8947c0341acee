"""The lexical part of a vector: which words and letter trigrams a text has, sketched in few components.

Knows the spelling of words and nothing of their meaning, which is the text tower's.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from smar.config import Config
from smar.model.grams import BUCKETS, Grams, signs
from smar.model.towers import unit

_FIRST_RATIO = 0.5


class LexicalConfig(Config):
    """What vectors keep of spelling, which a pretrained encoder blurs: part numbers, sizes, brands, misspellings."""

    dim: int = Field(default=384, ge=0)
    """Components that it adds to `dim`; 0 leaves it out. Fewer make smaller indexes and more chance likenesses."""


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
        codes = torch.from_numpy(signs(config.dim).astype(np.float32) / math.sqrt(max(config.dim, 1)))
        self.register_buffer("codes", codes, persistent=False)
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
        self, vectors: Float[Tensor, "query dim"], sketches: Float[Tensor, "query lexical"]
    ) -> Float[Tensor, "query joined"]:
        """Meaning and spelling of queries side by side, in parts that the meaning decides, of unit length."""
        ratio = self.ratio(vectors).float().exp()
        return unit(torch.cat([vectors, ratio * sketches], dim=-1))

    def without_words(self, vectors: Float[Tensor, "image dim"]) -> Float[Tensor, "image joined"]:
        """Vectors of what has no words, an image, beside a zero."""
        return F.pad(vectors, (0, self.dim))
