"""The item multimodal tower: how an item's text and image become one vector. Knows no query and no loss."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from smar.config import Config
from smar.model.attention import AttentionLayer
from smar.model.towers import TowerOutput, TowerShape, masked_mean, unit

FusionKind = Literal["cross_attention", "gated", "concat", "sum", "image", "text"]


class FusionConfig(Config):
    """How text and image are fused into the vector of an item that has both."""

    kind: FusionKind = "cross_attention"
    """`cross_attention` is the paper's; `gated`, `concat`, `sum` are simpler; `image` and `text` use one side."""
    layers: int = Field(default=1, ge=1)
    """Cross attention: how many layers look in each direction."""


class Sum(nn.Module):
    """W_t t + W_i i: a linear map of each vector, added."""

    def __init__(self, shape: TowerShape) -> None:
        super().__init__()
        self.text = _identity(shape.dim)
        self.image = _identity(shape.dim)

    def forward(self, text: TowerOutput, image: TowerOutput) -> Float[Tensor, "batch dim"]:
        """Fused vectors, not yet of unit length."""
        mapped: Tensor = self.text(text.vectors) + self.image(image.vectors)
        return mapped


class Concat(nn.Module):
    """A two-layer network over both vectors, side by side."""

    def __init__(self, shape: TowerShape) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(2 * shape.dim, 2 * shape.dim), nn.GELU(), nn.Linear(2 * shape.dim, shape.dim)
        )

    def forward(self, text: TowerOutput, image: TowerOutput) -> Float[Tensor, "batch dim"]:
        """Fused vectors, not yet of unit length."""
        mixed: Tensor = self.network(torch.cat([text.vectors, image.vectors], dim=-1))
        return mixed


class Gated(nn.Module):
    """g t + (1 - g) i, where each component's g in (0, 1) is read off both vectors."""

    def __init__(self, shape: TowerShape) -> None:
        super().__init__()
        self.gate = nn.Linear(2 * shape.dim, shape.dim)

    def forward(self, text: TowerOutput, image: TowerOutput) -> Float[Tensor, "batch dim"]:
        """Fused vectors, not yet of unit length."""
        gate = torch.sigmoid(self.gate(torch.cat([text.vectors, image.vectors], dim=-1)))
        return gate * text.vectors + (1 - gate) * image.vectors


class CrossAttention(nn.Module):
    """Tokens look at patches and patches at tokens (the paper's fusion); what both saw is added to the sum.

    The addition starts at zero (our choice): learning starts from `Sum` and departs from it as far as it pays.
    """

    def __init__(self, shape: TowerShape, layers: int) -> None:
        super().__init__()
        self.text_to_image = nn.ModuleList(AttentionLayer(shape.width, shape.heads) for _ in range(layers))
        self.image_to_text = nn.ModuleList(AttentionLayer(shape.width, shape.heads) for _ in range(layers))
        self.sum = Sum(shape)
        self.norm = nn.LayerNorm(2 * shape.width)
        self.project = nn.Linear(2 * shape.width, shape.dim)
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, text: TowerOutput, image: TowerOutput) -> Float[Tensor, "batch dim"]:
        """Fused vectors, not yet of unit length."""
        tokens, patches = text.states, image.states
        for to_image, to_text in zip(self.text_to_image, self.image_to_text, strict=True):
            tokens, patches = to_image(tokens, patches), to_text(patches, tokens, text.mask)
        assert text.mask is not None
        seen = torch.cat([masked_mean(tokens, text.mask), patches[:, 0]], dim=-1)
        mixed: Tensor = self.sum(text, image) + self.project(self.norm(seen)).float()
        return mixed


class OneSide(nn.Module):
    """The image's vector alone (DPSR-i), or the text's alone (DPSR)."""

    def __init__(self, kind: Literal["image", "text"]) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, text: TowerOutput, image: TowerOutput) -> Float[Tensor, "batch dim"]:
        """The vectors of one side."""
        return image.vectors if self.kind == "image" else text.vectors


def build_fusion(config: FusionConfig, shape: TowerShape) -> nn.Module:
    """The fusion that `config` names."""
    match config.kind:
        case "cross_attention":
            return CrossAttention(shape, config.layers)
        case "gated":
            return Gated(shape)
        case "concat":
            return Concat(shape)
        case "sum":
            return Sum(shape)
        case "image" | "text":
            return OneSide(config.kind)


class ItemMultimodalTower(nn.Module):
    """S_m(s): the fused vector of items with an image; an item without one keeps exactly its text vector."""

    def __init__(self, fusion: nn.Module) -> None:
        super().__init__()
        self.fusion = fusion

    def forward(
        self, text: TowerOutput, image: TowerOutput | None, with_image: Tensor
    ) -> Float[Tensor, "batch dim"]:
        """Vectors of a batch of items.

        Args:
            text: of every item of the batch.
            image: of those items that have one, in their order; None where none has.
            with_image: int64 [image], the places in the batch of the items that have one.
        """
        if image is None or len(with_image) == 0:
            return text.vectors
        mask = None if text.mask is None else text.mask[with_image]
        chosen = TowerOutput(text.vectors[with_image], text.states[with_image], mask)
        fused = unit(self.fusion(chosen, image))
        return text.vectors.index_put((with_image,), fused)


def _identity(dim: int) -> nn.Linear:
    linear = nn.Linear(dim, dim, bias=False)
    nn.init.eye_(linear.weight)
    return linear
