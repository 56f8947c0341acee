"""The prediction header P(q): does this query need the image? Knows the query's vector and nothing else."""

from __future__ import annotations

from typing import Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from smar.config import Config


class GateConfig(Config):
    """What decides whether the image is used, and where it switches."""

    per: Literal["query", "category"] = "query"
    """Who decides: each query by P(q), or each category of items, for all queries (the paper names both)."""
    closed: tuple[str, ...] = ()
    """Categories whose photos are not used; where `per` is `category`, stage two chooses them."""

    threshold: float = Field(default=0.5, ge=0, le=1)
    """From this P(q) on, a query meets multimodal vectors. At a half, it meets those with the larger expected gain."""


class ImageGate(nn.Linear):
    """P(q) in (0, 1): near 1, search the multimodal vectors; near 0, search the text vectors (paper, stage two).

    A linear logit of the finished query vector (our choice), 0.5 for every query to begin with. No gradient of a
    training stage reaches it: stage two fits it to ranks (`smar.training.gate`).
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim, 1)
        nn.init.zeros_(self.weight)
        nn.init.zeros_(self.bias)
        self.requires_grad_(requires_grad=False)

    def forward(self, queries: Float[Tensor, "query dim"]) -> Float[Tensor, " query"]:
        """The logit of P(q) for each query vector; `sigmoid` of it is the probability."""
        return super().forward(queries).squeeze(-1)
