"""One Transformer layer that attends to its own states or to others'. Knows nothing of text or images."""

from __future__ import annotations

import math

from jaxtyping import Bool, Float
from torch import Tensor, nn


class AttentionLayer(nn.Module):
    """Pre-norm attention and a two-layer network, both residual; queries and keys may come from two places.

    A new layer changes nothing (our choice): both parts end in zeros, and learning departs from there. Attention is
    written out, because the fused kernel of a CPU is slow backwards on the short sequences here.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)
        last = nn.Linear(2 * width, width)
        self.network = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), last)
        for linear in (self.out, last):
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)

    def forward(
        self,
        states: Float[Tensor, "batch own width"],
        others: Float[Tensor, "batch other width"] | None = None,
        mask: Bool[Tensor, "batch other"] | None = None,
    ) -> Float[Tensor, "batch own width"]:
        """Let every state look at `others` (its own sequence where none are given) wherever `mask` is true."""
        normed = self.norm(states)
        attended = self._attend(normed, normed if others is None else self.norm(others), mask)
        states = states + attended
        mixed: Tensor = states + self.network(states)
        return mixed

    def _attend(self, own: Tensor, other: Tensor, mask: Tensor | None) -> Tensor:
        batch, length, width = own.shape
        each = width // self.heads
        query = self.query(own).view(batch, length, self.heads, each).transpose(1, 2)
        key, value = (
            self.key_value(other).view(batch, other.shape[1], 2, self.heads, each).permute(2, 0, 3, 1, 4)
        )
        scores = query @ key.transpose(-1, -2) / math.sqrt(each)
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :], -1e4)
        mixed = scores.softmax(-1).to(value.dtype) @ value
        attended: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, length, width))
        return attended
