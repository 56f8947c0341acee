"""The three towers that read one thing each: a query, an item's text, an item's image. Knows no fusion and no loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from smar.model.attention import AttentionLayer
from smar.model.encoders.image import ImageStates

Pooling = Literal["mean", "first"]


@dataclass(frozen=True)
class TowerOutput:
    """A tower's vectors of unit length, with the states they were pooled from, for the fusion to look at."""

    vectors: Float[Tensor, "batch dim"]
    states: Float[Tensor, "batch length width"]
    mask: Bool[Tensor, "batch length"] | None


@dataclass(frozen=True)
class TowerShape:
    """What the towers of a model share: `width` of an encoder's states, `dim` of a vector, attention `heads`.

    Of a text's pooled state and of a photo's summary, `text_dropout` and `image_dropout` are left out in training.
    """

    width: int
    dim: int
    heads: int
    text_dropout: float = 0.0
    image_dropout: float = 0.0


class TextTower(nn.Module):
    """Token states -> Transformer layers -> pooled -> linear -> unit length: the form of Q(q) and S_t(s)."""

    def __init__(self, shape: TowerShape, layers: int, pooling: Pooling) -> None:
        super().__init__()
        self.layers = nn.ModuleList(AttentionLayer(shape.width, shape.heads) for _ in range(layers))
        self.pooling = pooling
        self.dropout = nn.Dropout(shape.text_dropout)
        self.project = nn.Linear(shape.width, shape.dim, bias=False)
        # Query and item text start with the same projection that keeps angles (our choice): a pretrained
        # encoder's similarities are then where learning starts. Only one of two equal orthogonal draws is random.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            nn.init.orthogonal_(self.project.weight)

    def forward(
        self, states: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"]
    ) -> TowerOutput:
        """Vectors of a batch of texts; padding (`mask` false) changes nothing."""
        for layer in self.layers:
            states = layer(states, mask=mask)
        pooled = self.dropout(pool(states, mask, self.pooling))
        return TowerOutput(unit(self.project(pooled)), states, mask)


class QueryTower(TextTower):
    """Q(q): the vector of what a shopper typed (paper: features -> Transformer -> CLS -> L2 norm)."""


class ItemTextTower(TextTower):
    """S_t(s): the vector of an item's title, category, brand and description; the query tower's form."""


class ItemImageTower(nn.Module):
    """S_i(s): a summary and patches of a photo -> Transformer layers -> the summary's state -> unit length.

    The summary (statistics of several depths and colours) takes the place of the CLS token (our choice): a
    tower without layers is a linear projection of pooled features already, and attention adds to that.
    """

    def __init__(self, shape: TowerShape, layers: int, summary_width: int, patches: tuple[int, int]) -> None:
        super().__init__()
        count, patch_width = patches
        self.summary_scale = InputScale(summary_width)
        self.patch_scale = InputScale(patch_width)
        self.dropout = nn.Dropout(shape.image_dropout)
        self.summary = nn.Linear(summary_width, shape.width)
        self.patch = nn.Linear(patch_width, shape.width)
        self.position = nn.Parameter(torch.randn(count, shape.width) * 0.02)
        self.layers = nn.ModuleList(AttentionLayer(shape.width, shape.heads) for _ in range(layers))
        self.norm = nn.LayerNorm(shape.width)
        self.project = nn.Linear(shape.width, shape.dim)

    def calibrate(self, sample: ImageStates) -> None:
        """Measure mean and deviation of each input over a sample of photos, to scale all inputs alike."""
        self.summary_scale.measure(sample.summary)
        self.patch_scale.measure(sample.patches.flatten(0, 1))

    def forward(self, images: ImageStates) -> TowerOutput:
        """Vectors of a batch of photos."""
        states = self.summary(self.dropout(self.summary_scale(images.summary)))[:, None]
        if images.patches.shape[1]:
            patches = self.patch(self.patch_scale(images.patches)) + self.position
            states = torch.cat([states, patches], dim=1)
        for layer in self.layers:
            states = layer(states)
        return TowerOutput(unit(self.project(self.norm(states[:, 0]))), states, None)


class InputScale(nn.Module):
    """Scales each input to mean 0 and deviation 1 over the photos it was measured on; unmeasured, leaves them be."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    def measure(self, sample: Float[Tensor, "row width"]) -> None:
        """Take mean and deviation from `sample`."""
        self.mean.copy_(sample.float().mean(0))
        self.deviation.copy_(sample.float().std(0) + 1e-3)

    def forward(self, inputs: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
        """Scale, and cut what lies beyond six deviations."""
        return ((inputs.float() - self.mean) / self.deviation).clamp(-6, 6)


def masked_mean(
    states: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"]
) -> Float[Tensor, "batch width"]:
    """The mean of each sequence's states where `mask` is true."""
    weights = mask[:, :, None].to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1)


def pool(
    states: Float[Tensor, "batch length width"], mask: Bool[Tensor, "batch length"], pooling: Pooling
) -> Float[Tensor, "batch width"]:
    """One state of each sequence."""
    return states[:, 0] if pooling == "first" else masked_mean(states, mask)


def unit(vectors: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
    """Vectors scaled to length 1, in float32 whatever they were."""
    return F.normalize(vectors.float(), dim=-1)
