"""Smoothing: the same results from inputs of more even size, and the network it came from as it was."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from smar.model.smoothing import SmoothedLinear, smooth

SAMPLE = [torch.arange(start, start + 5)[None] for start in range(0, 40, 5)]


class Layer(nn.Module):
    """Two maps of one input, and one of their sum; component 3 of the input is a hundred times as large."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = nn.Embedding(64, 16)
        self.words.weight.data[:, 3] *= 100
        self.pair = nn.ModuleList([nn.Linear(16, 16), nn.Linear(16, 16, bias=False)])
        self.out = nn.Linear(16, 8)

    def forward(self, input_ids: Tensor) -> Tensor:
        inputs = self.words(input_ids)
        found: Tensor = self.out(self.pair[0](inputs) + self.pair[1](inputs))
        return found


def rounded(linear: nn.Linear, inputs: Tensor) -> Tensor:
    """As 8-bit integers would give it: one scale for all inputs, one for each row of weights."""
    scale, scales = inputs.abs().amax() / 127, linear.weight.abs().amax(1, keepdim=True) / 127
    products = (inputs / scale).round() @ (linear.weight / scales).round().T
    return products * scale * scales.T + (0 if linear.bias is None else linear.bias)


def test_it_computes_the_same_and_leaves_the_network_as_it_was() -> None:
    network = Layer()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    smoothed = smooth(network, SAMPLE)
    for ids in SAMPLE:
        torch.testing.assert_close(smoothed(ids), network(ids), rtol=1e-4, atol=1e-4)
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@torch.no_grad()
def test_rounded_to_8_bits_it_is_nearer_to_what_it_was() -> None:
    network = Layer()
    smoothed = smooth(network, SAMPLE)
    inputs = network.words(torch.arange(64))
    old, new = network.pair[0], smoothed.get_submodule("pair.0")
    assert isinstance(old, nn.Linear)
    assert isinstance(new, SmoothedLinear)
    exact = old(inputs)
    plain = (rounded(old, inputs) - exact).norm()
    assert (rounded(new, inputs * new.inverse) - exact).norm() < 0.5 * plain


def test_maps_of_one_input_share_its_scales_and_others_have_their_own() -> None:
    first, second, out = (smooth(Layer(), SAMPLE).get_submodule(name) for name in ("pair.0", "pair.1", "out"))
    assert isinstance(first, SmoothedLinear)
    assert isinstance(second, SmoothedLinear)
    assert isinstance(out, SmoothedLinear)
    assert torch.equal(first.inverse, second.inverse)
    assert first.inverse.argmin() == 3
    assert not torch.equal(first.inverse, out.inverse)
