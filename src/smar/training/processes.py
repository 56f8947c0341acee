"""The processes that train one model together: a single one, or those that `torchrun` started. Knows tensors only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from accelerate import PartialState
from accelerate.utils import broadcast, reduce
from torch import Tensor, nn

from smar.progress import console


class Processes:
    """All that train together. Each has the whole model; they share out the work of a batch and add up gradients."""

    def __init__(self) -> None:
        # That one is gone, torchrun notices at once; one that only works for long must not count as gone.
        self._state = PartialState(cpu=not torch.cuda.is_available(), timeout=timedelta(days=1))
        if not self.is_first:  # One of them speaks for all.
            console.quiet = True

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self._state.num_processes)

    @property
    def number(self) -> int:
        """Which one this is, from 0."""
        return int(self._state.process_index)

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes files and speaks."""
        return self.number == 0

    @property
    def device(self) -> torch.device:
        """Where this one computes."""
        device: torch.device = self._state.device
        return device

    def add_up(self, tensor: Tensor) -> Tensor:
        """The sum of a tensor of one shape over all processes."""
        if self.count == 1:
            return tensor
        total: Tensor = reduce(tensor, reduction="sum")
        return total

    def add_up_gradients(self, weights: Iterable[nn.Parameter]) -> None:
        """Give each weight the sum of its gradients; one that has none in any process keeps none."""
        if self.count == 1:
            return
        learning = [weight for weight in weights if weight.requires_grad]
        have = torch.tensor([float(weight.grad is not None) for weight in learning], device=self.device)
        learning = [
            weight for weight, count in zip(learning, self.add_up(have).tolist(), strict=True) if count
        ]
        own = [torch.zeros_like(one) if one.grad is None else one.grad for one in learning]
        # One long sum: each call has its price.
        total = self.add_up(torch.cat([gradient.flatten() for gradient in own]))
        parts = torch.split(total, [weight.numel() for weight in learning])
        for weight, part in zip(learning, parts, strict=True):
            weight.grad = part.view_as(weight)

    def same(self, tensor: Tensor) -> Tensor:
        """The first one's tensor; the others give one of the same shape and type."""
        if self.count == 1:
            return tensor
        first: Tensor = broadcast(tensor.to(self.device))
        return first.to(tensor.device)

    def wait(self) -> None:
        """Until all have come here."""
        self._state.wait_for_everyone()

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """One after the other runs the block, the first one first: what it writes, the others find."""
        for _ in range(self.number):
            self.wait()
        yield
        for _ in range(self.number, self.count):
            self.wait()
