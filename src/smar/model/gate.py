"""The prediction header P(q): does this query need the image? Knows the query's vector and nothing else."""

from __future__ import annotations

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from smar.config import Config


class GateConfig(Config):
    """The gate's size and where it switches."""

    hidden: int = Field(default=64, ge=1)
    """Width of the gate's one hidden layer."""
    threshold: float = Field(default=0.5, ge=0, le=1)
    """From this P(q) on, a query meets multimodal vectors; training replaces it by one chosen on held-out clicks."""


class ImageGate(nn.Module):
    """P(q) in (0, 1): near 1, search the multimodal vectors; near 0, search the text vectors (paper, stage two).

    Starts at 0.5 for every query. Its two layers on a finished query vector are our choice.
    """

    threshold: Tensor

    def __init__(self, dim: int, config: GateConfig) -> None:
        super().__init__()
        last = nn.Linear(config.hidden, 1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.network = nn.Sequential(nn.Linear(dim, config.hidden), nn.GELU(), last)
        self.register_buffer("threshold", torch.tensor(float(config.threshold)))

    def forward(self, queries: Float[Tensor, "query dim"]) -> Float[Tensor, " query"]:
        """The logit of P(q) for each query vector; `sigmoid` of it is the probability."""
        logits: Tensor = self.network(queries).squeeze(-1)
        return logits
