"""Moves what is large in inputs of linear maps into their weights, so that both round well. Knows torch only."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

_SHARE = 0.75
"""How much of the unevenness goes from inputs to weights; of .5 to .9, .75 kept vectors of queries nearest to the
model's (cosine .9981; without smoothing .993): docs/experiments.md."""
_LEAST = 1e-4


class SmoothedLinear(nn.Linear):
    """A linear map whose inputs are divided by a scale each, and whose weights are multiplied by it."""

    inverse: Tensor

    def __init__(self, linear: nn.Linear, scale: Float[Tensor, " input"]) -> None:
        super().__init__(linear.in_features, linear.out_features, bias=linear.bias is not None)
        self.weight, self.bias = nn.Parameter(linear.weight * scale), linear.bias
        self.register_buffer("inverse", 1 / scale)

    def forward(self, inputs: Tensor) -> Tensor:
        """What the linear map gives, up to rounding."""
        return super().forward(inputs * self.inverse)


@torch.no_grad()
def smooth(network: nn.Module, sample: Iterable[Int[Tensor, "1 token"]]) -> nn.Module:
    """A copy of a text network that computes the same, with inputs of its linear maps of more even size.

    A few components of a text's states are many times as large as the others; rounded to 8 bits with one scale for
    all, the others would lose theirs. Each component of the input x of weights W is divided by
    max|x|^a / max|W|^(1 - a), and W multiplied by it (Xiao et al. 2023, SmoothQuant, equation 4).

    Args:
        network: called with `input_ids`.
        sample: token ids of texts, whose states show which components are large.
    """
    smoothed = copy.deepcopy(network)
    largest: dict[nn.Linear, Tensor] = {}
    together: dict[int, list[nn.Linear]] = {}

    def look(linear: nn.Module, inputs: tuple[Any, ...]) -> None:
        assert isinstance(linear, nn.Linear)
        seen = inputs[0].abs().flatten(0, -2).amax(0)
        if linear in largest:
            seen = torch.maximum(largest[linear], seen)
        else:
            together.setdefault(id(inputs[0]), []).append(linear)
            kept.append(inputs[0])
        largest[linear] = seen

    # An input's id is its own for as long as it is kept.
    kept: list[Tensor] = []
    hooks = [
        module.register_forward_pre_hook(look)
        for module in smoothed.modules()
        if isinstance(module, nn.Linear)
    ]
    for ids in sample:
        smoothed(input_ids=ids)
    for hook in hooks:
        hook.remove()
    names = {module: name for name, module in smoothed.named_modules()}
    for linears in together.values():
        # Maps of one input share its scales, so that it is rounded once.
        inputs = largest[linears[0]].clamp(min=_LEAST)
        weights = torch.stack([linear.weight.abs().amax(0) for linear in linears]).amax(0).clamp(min=_LEAST)
        scale = (inputs**_SHARE / weights ** (1 - _SHARE)).clamp(min=_LEAST)
        for linear in linears:
            parent, _, name = names[linear].rpartition(".")
            smoothed.get_submodule(parent).register_module(name, SmoothedLinear(linear, scale))
    return smoothed
