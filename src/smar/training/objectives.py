"""The losses, as functions of tensors. Know no model, no tokenizer and no batch."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F


def contrastive_loss(
    queries: Float[Tensor, "pair dim"],
    items: Float[Tensor, "item dim"],
    clicked: Int64[Tensor, " pair"],
    known: Bool[Tensor, "pair item"],
    scale: Float[Tensor, ""],
) -> Float[Tensor, " pair"]:
    """Softmax cross-entropy of each query's clicked item against the batch's other items.

    -log( exp(scale <q, s+>) / sum over s in batch of exp(scale <q, s>) ), the paper's contrastive loss with
    in-batch negatives. Items that the log knows as positives of the query are no negatives (our choice).

    Args:
        queries: unit vectors, one row a pair.
        items: unit vectors of the batch's distinct items.
        clicked: the row in `items` of each pair's clicked item.
        known: whether the log has the pair of this query and that item; the clicked item counts either way.
        scale: one over the temperature.
    """
    scores = queries @ items.T * scale
    masked = known.scatter(1, clicked[:, None], value=False)
    return F.cross_entropy(scores.masked_fill(masked, -torch.inf), clicked, reduction="none")


def weighted_mean(losses: Float[Tensor, " pair"], weights: Float[Tensor, " pair"]) -> Float[Tensor, ""]:
    """The mean of `losses` by `weights`; zero for no pairs."""
    return (losses * weights).sum() / weights.sum().clamp(min=1e-12)


def expected_loss(
    gate: Float[Tensor, " pair"], text: Float[Tensor, " pair"], multimodal: Float[Tensor, " pair"]
) -> Float[Tensor, " pair"]:
    """P l_m + (1 - p) l_t with p = sigmoid(gate): the loss to expect if the gate chose at random (our choice)."""
    chance = torch.sigmoid(gate)
    return chance * multimodal + (1 - chance) * text
