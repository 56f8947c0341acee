"""Which layers of a network are trained. Knows nothing of what the network encodes."""

from __future__ import annotations

from typing import Literal

from torch import nn

from smar.errors import ModelError


def train_last_layers(network: nn.Module, trained: Literal["none", "all"] | int) -> None:
    """Leave gradients on for everything (`all`), nothing (`none`), or the last `trained` layers and what follows.

    The layers are those of the longest `nn.ModuleList`; what is defined after it (norms, heads) follows it.

    Raises:
        ModelError: the network has no such list, or fewer layers than asked for.
    """
    network.requires_grad_(trained == "all")
    if isinstance(trained, str):
        return
    lists = [(name, module) for name, module in network.named_modules() if isinstance(module, nn.ModuleList)]
    if not lists:
        raise ModelError(f"{type(network).__name__}: has no list of layers; train `all` of it or `none`")
    name, layers = max(lists, key=lambda named: len(named[1]))
    if trained > len(layers):
        raise ModelError(
            f"{type(network).__name__}: has {len(layers)} layers, so the last {trained} cannot be trained"
        )
    is_behind = False
    for child_name, module in network.named_modules():
        if child_name == name:
            is_behind = True
        elif is_behind and not child_name.startswith(f"{name}.") and not name.startswith(f"{child_name}."):
            module.requires_grad_(True)
    for layer in list(layers)[len(layers) - trained :]:
        layer.requires_grad_(True)
