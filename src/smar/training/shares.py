"""A batch's losses and gradients, its queries and items embedded at once, in parts, or by several processes.

A contrastive loss needs the vectors of the whole batch, but not all that led to them. So parts are embedded first
without remembering how; the loss and its gradient by each vector follow; and each part is embedded again, to take its
vectors' gradients on to the weights (GradCache, Gao et al. 2021). The gradients are those of the whole batch at once,
in the memory of a part; each process takes its share of the parts. Knows the model and a stage; nothing of steps.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from smar.model.smar import SMAR, ItemOutput
from smar.training.pairs import PairBatch, Places
from smar.training.processes import Processes
from smar.training.stage import BatchVectors, Material, Stage

_WITH_IMAGE = 3
"""Matrices that hold vectors of a part of which some items have an image."""
Precision = Callable[[], AbstractContextManager[object]]


@dataclass(frozen=True)
class Learner:
    """Adds a batch's gradients to a model's weights."""

    model: SMAR
    stage: Stage
    material: Material
    processes: Processes
    at_once: int | None
    """Queries, and items, that are embedded at once; None for the whole batch, or a process's share of it."""
    precision: Precision
    """What to embed and compare vectors in."""

    def learn(self, batch: PairBatch, share: float) -> dict[str, Tensor]:
        """The losses of a batch; `share` of the gradient of `loss` is added to what the weights have.

        Of several processes each adds a part of it: what they add sums to the whole.
        """
        if self.processes.count == 1 and self.at_once is None:
            with self.precision():
                vectors = BatchVectors.embed(self.model, batch, self.material)
                losses = self.stage.losses(self.model, batch, vectors)
            if torch.isfinite(losses["loss"]):
                torch.autograd.backward(losses["loss"] * share)
            return losses
        return self._in_parts(batch, share)

    def _in_parts(self, batch: PairBatch, share: float) -> dict[str, Tensor]:
        parts, whole = self._parts(batch), _Whole(self.model, batch)
        with torch.no_grad():
            for part in parts:
                whole.put(part, self._embed(part, batch))
        vectors = whole.gathered(self.processes)
        with self.precision():
            losses = self.stage.losses(self.model, batch, vectors)
        if not torch.isfinite(losses["loss"]):
            return losses
        # Each process has the whole loss: of the weights in it (the temperature) it gives its share of the gradient.
        torch.autograd.backward(losses["loss"] * (share / self.processes.count))
        for part in parts:
            gradients = whole.gradients(part, self.processes.count)
            learnt = [
                (vectors, gradient.to(vectors.dtype))
                for vectors, gradient in zip(self._embed(part, batch), gradients, strict=True)
                if vectors.requires_grad and gradient is not None
            ]
            if learnt:
                torch.autograd.backward([one for one, _ in learnt], [gradient for _, gradient in learnt])
        return losses

    def _parts(self, batch: PairBatch) -> list[_Part]:
        """This process's share of a batch's queries and items."""
        parts: list[_Part] = []
        number = self.processes.number
        for of_items, count in ((False, len(batch.queries)), (True, len(batch.items))):
            own = np.array_split(np.arange(count), self.processes.count)[number]
            size = self.at_once or max(1, len(own))
            for start in range(0, len(own), size):
                drawn = np.random.SeedSequence([torch.initial_seed(), number, len(parts)])
                parts.append(_Part(of_items, own[start : start + size], int(drawn.generate_state(1)[0])))
        return parts

    def _embed(self, part: _Part, batch: PairBatch) -> list[Tensor]:
        """A part's vectors: of queries; or of items by text, by both, and by image, for those that have one."""
        # What dropout leaves out the first time, it leaves out again.
        torch.manual_seed(part.seed)
        with self.precision():
            if not part.of_items:
                return [self.model.queries(self.material.queries.states(batch.queries[part.places]))]
            items = self.model.items(self.material.items.states(batch.items[part.places]))
        part.with_image = items.with_image.cpu().numpy()
        return [items.text, items.multimodal, *([] if items.image is None else [items.image])]


@dataclass
class _Part:
    """Some places of a batch's queries, or of its items, and what decides dropout there."""

    of_items: bool
    places: Places
    seed: int
    with_image: Places | None = None
    """The places, within the part, of items with an image; known once it was embedded."""


class _Whole:
    """The vectors of a whole batch, put together of parts."""

    def __init__(self, model: SMAR, batch: PairBatch) -> None:
        def empty(rows: int) -> Tensor:
            return torch.zeros(rows, model.vector_dim, device=model.device)

        items = len(batch.items)
        self.queries, self.text, self.multimodal = empty(len(batch.queries)), empty(items), empty(items)
        self.image = None if model.image_tower is None else empty(items)
        self.has_image = torch.zeros(items, device=model.device)

    def put(self, part: _Part, vectors: list[Tensor]) -> None:
        """Put a part's vectors into their places."""
        slots = self._slots(part)
        for (whole, places), own in zip(slots, vectors, strict=True):
            whole[places] = own.float()
        if len(slots) == _WITH_IMAGE:
            self.has_image[slots[-1][1]] = 1

    def gathered(self, processes: Processes) -> BatchVectors:
        """All vectors, of every process; gradients by them are kept."""
        self.queries, self.text, self.multimodal = (
            processes.add_up(one).requires_grad_() for one in (self.queries, self.text, self.multimodal)
        )
        if self.image is not None:
            self.image = processes.add_up(self.image).requires_grad_()
        with_image = torch.nonzero(processes.add_up(self.has_image)).squeeze(1)
        image = None if self.image is None or not len(with_image) else self.image[with_image]
        return BatchVectors(self.queries, ItemOutput(self.text, image, self.multimodal, with_image))

    def gradients(self, part: _Part, times: int) -> list[Tensor | None]:
        """`times` the gradient of the loss by each of a part's vectors; None of those that are not in it."""
        return [
            None if whole.grad is None else whole.grad[places] * times for whole, places in self._slots(part)
        ]

    def _slots(self, part: _Part) -> list[tuple[Tensor, Tensor]]:
        """Where a part's vectors lie: matrices and rows of them."""
        device = self.queries.device
        places = torch.from_numpy(part.places).to(device)
        if not part.of_items:
            return [(self.queries, places)]
        slots = [(self.text, places), (self.multimodal, places)]
        if self.image is not None and part.with_image is not None and len(part.with_image):
            slots.append((self.image, places[torch.from_numpy(part.with_image).to(device)]))
        return slots
