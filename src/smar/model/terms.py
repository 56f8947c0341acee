"""The likelihood of a query's words, given an item: what shoppers call what the text and the photo show.

Knows vectors and summaries of photos; nothing of clicks or how it is learnt.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from pydantic import Field, field_validator
from torch import Tensor, nn
from torch.nn import functional as F

from smar.config import Config
from smar.model.term_table import TermTable

Photos = Float[Tensor, "item photo_width"] | None
"""Scaled summaries of items' photos, a row of zeros for an item without one; None where no item has one."""

_SHARE = 0.25
"""How long the part of an item is beside its own vector of unit length. Searched by another item's vector, items are
alike in the component that fills them up, by the square of this: it should be small."""
_LEAST = 8
_Z_DROPOUT = 0.1


class TermsConfig(Config):
    """What vectors keep of the words that shoppers use for an item, which its own text may lack."""

    dim: int = Field(default=0, ge=0)
    """Components that it adds to a vector, at least 8 (`configs/mart.toml` has 128); 0 leaves it out."""
    dropout: float = Field(default=0.3, ge=0, lt=1)
    """The share of an item's inputs that training leaves out, other numbers each time."""
    photo_dropout: float = Field(default=0.1, ge=0, lt=1)
    """The share of photos that training leaves out whole, since an item's text is searched by itself too."""

    @field_validator("dim")
    @classmethod
    def _none_or_enough(cls, dim: int) -> int:
        if 0 < dim < _LEAST:
            raise ValueError(f"must be 0 or at least {_LEAST}")
        return dim


class QueryTerms(nn.Module):
    """log p(word | item) for the words of a shop's log, in a form that an inner product computes (our choice).

    Items are ranked by the likelihood of the query (Ponte and Croft 1998): the sum of log p over its words, where p
    is a softmax over all words of u_word . z(item). As parts of vectors: an item has [z, -log Z] less its mean over
    the items that were learnt from, Z being the sum that the softmax divides by; a query has [sum of u, number of
    words], times what the likelihood counts beside the cosine, `weight`. One more component, zero in queries, brings
    all items to the same length. Each word is judged by itself, so that a wish nobody has expressed before is the
    sum of words that others used.
    """

    hashes: Tensor
    mean: Tensor
    bound: Tensor
    weight: Tensor

    def __init__(self, config: TermsConfig, text_dim: int, photo_width: int | None, words: int) -> None:
        super().__init__()
        self.config = config
        width = config.dim - 2
        self.text = nn.Linear(text_dim, width)
        self.photo = None if photo_width is None else nn.Linear(photo_width, width, bias=False)
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Linear(width, width)
        self.words = nn.Linear(width, words)
        self.register_buffer("hashes", torch.zeros(words, dtype=torch.long))
        self.register_buffer("mean", torch.zeros(config.dim - 1))
        self.register_buffer("bound", torch.ones(()))
        self.register_buffer("weight", torch.zeros(()))

    def describe(self, text: Float[Tensor, "item text_dim"], photo: Photos) -> Float[Tensor, "item width"]:
        """z(item), of its text's vector and its photo's scaled summary."""
        dropout, training = self.config.dropout, self.training
        # As long as a photo's numbers, which have deviation 1.
        mixed = self.text(F.dropout(text * text.shape[1] ** 0.5, dropout, training))
        if photo is not None and self.photo is not None:
            if training:
                photo = photo * (torch.rand(len(photo), 1, device=photo.device) >= self.config.photo_dropout)
            mixed = mixed + self.photo(F.dropout(photo, dropout, training))
        mixed = self.norm(mixed)
        return F.dropout(mixed + self.mix(F.gelu(mixed)), _Z_DROPOUT, training)

    def log_likelihoods(
        self, text: Float[Tensor, "item text_dim"], photo: Photos
    ) -> Float[Tensor, "item word"]:
        """The logarithms of p(word | item)."""
        likelihoods: Tensor = self.words(self.describe(text, photo)).log_softmax(dim=1)
        return likelihoods

    def parts(self, text: Float[Tensor, "item text_dim"], photo: Photos) -> Float[Tensor, "item terms"]:
        """[z, -log Z] of items."""
        z = self.describe(text, photo)
        return torch.cat([z, -self.words(z).logsumexp(dim=1, keepdim=True)], dim=1)

    def centre(self, parts: Float[Tensor, "item terms"]) -> None:
        """Take the mean and the greatest length of the `parts` of the items that were learnt from."""
        self.mean.copy_(parts.mean(0))
        self.bound.copy_((parts - self.mean).norm(dim=1).max().clamp(min=1e-6))

    def with_item_terms(
        self,
        vectors: Float[Tensor, "item dim"],
        text: Float[Tensor, "item text_dim"],
        photo: Photos,
    ) -> Float[Tensor, "item joined"]:
        """Items' unit vectors and what their words are, side by side, of unit length.

        What is longer than any part was that `centre` saw is cut to that length.
        """
        with torch.autocast(vectors.device.type, enabled=False):
            parts = (self.parts(text, photo) - self.mean) / self.bound
        parts = parts / parts.norm(dim=1, keepdim=True).clamp(min=1)
        rest = (1 - parts.square().sum(1, keepdim=True)).clamp(min=0).sqrt()
        return torch.cat([vectors, _SHARE * parts, _SHARE * rest], dim=1) / math.hypot(1, _SHARE)

    def without_terms(self, vectors: Float[Tensor, "row dim"]) -> Float[Tensor, "row joined"]:
        """Vectors of what no words are known for, a photo by itself, beside a zero."""
        return F.pad(vectors, (0, self.config.dim))

    def table(self) -> TermTable:
        """What each word adds to a query's vector, in the units of `with_item_terms`."""
        one = torch.ones(len(self.hashes), 1, device=self.weight.device)
        rows = torch.cat([self.words.weight, one, 0 * one], dim=1) * (self.weight * self.bound / _SHARE)
        return TermTable(self.hashes.cpu().numpy(), rows.detach().float().cpu().numpy())
