"""How clicked items are remembered by the queries that led to them, and how much that counts: the end of a run.

Knows clicked pairs and the finished model; nothing of batches or losses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from smar.config import Config
from smar.errors import ConfigError
from smar.model.smar import SMAR
from smar.model.sources import ItemSource
from smar.progress import ProgressBar, console, one_bar
from smar.training.pairs import Pairs

_ROUNDS = 2


class RememberingConfig(Config):
    """How clicks are remembered, once the towers and query terms have learnt all they will."""

    most_items: PositiveInt = 100_000
    """Clicked items to remember at most, drawn by chance; each takes some 3 KB of the model, and time to embed any item
    grows with them."""
    weights: tuple[PositiveFloat, ...] = Field(default=(0.1, 0.2, 0.3, 0.4, 0.6), min_length=1)
    """How far text, and multimodal, vectors may be drawn to what was asked; held-out clicks choose, or choose none."""


@dataclass(frozen=True)
class MemoryFit:
    """Items that are remembered, and the weights that held-out clicks chose, with their figures."""

    items: int
    text_weight: float
    multimodal_weight: float
    figures: dict[str, float]
    """By "text weight, multimodal weight", in the order they were tried."""


def remember(model: SMAR, pairs: Pairs, items: ItemSource, config: RememberingConfig) -> int:
    """Let the model keep, in place, each clicked item with the mean of the queries that it was clicked for.

    It counts for nothing before `choose_memory`.

    Returns:
        How many items it remembers; without any, the model is left without memory.

    Raises:
        ConfigError: the model's settings have no memory.
    """
    if not model.config.memory.neighbours:
        raise ConfigError("model.memory.neighbours = 0: such a model remembers no clicks")
    model.add_memory(0)
    real = np.flatnonzero(pairs.weights[: len(pairs)] > 0)
    rows, place = np.unique(pairs.items[real], return_inverse=True)
    if len(rows) > config.most_items:
        drawn = np.random.default_rng(model.config.seed).choice(len(rows), config.most_items, replace=False)
        console.print(f"the clicks on {len(drawn):,} of {len(rows):,} clicked items are remembered")
        is_drawn = np.isin(place, drawn)
        real = real[is_drawn]
        rows, place = np.unique(pairs.items[real], return_inverse=True)
    if not len(rows):
        return 0
    weights = pairs.weights[real]
    # Of a query's vector what items are drawn to; query terms are not part of it.
    vectors = model.embed_queries(pairs.texts).vectors[:, : model.gate.in_features]
    asked = np.zeros((len(rows), vectors.shape[1]), np.float32)
    np.add.at(asked, place, vectors[pairs.queries[real]] * weights[:, None])
    clicks = np.bincount(place, weights).astype(np.float32)
    order = np.argsort(items.names[rows])
    found = model.embed_rows(items, rows[order])
    model.add_memory(len(rows))
    assert model.memory is not None
    model.memory.keep(items.names[rows[order]], found, (asked / clicks[:, None])[order], clicks[order])
    return len(rows)


def choose_memory(
    model: SMAR, config: RememberingConfig, judge: Callable[[], float]
) -> tuple[tuple[float, float], dict[str, float]]:
    """Let the memory count as much as is best for held-out clicks; if nothing is gained, take it away.

    Multimodal and text vectors take turns, twice. Where no item has a photo, the text vectors' weight is all there is.

    Args:
        model: with a memory, whose weights are set.
        config: has the weights to try, besides none.
        judge: a figure of merit of the model as it is; higher is better.

    Returns:
        The weights of text and of multimodal vectors, and the figure of each pair that was tried.
    """
    memory = model.memory
    assert memory is not None
    figures: dict[tuple[float, float], float] = {}

    def figure(weights: tuple[float, float], bar: ProgressBar) -> float:
        if weights not in figures:
            memory.weigh(*weights)
            figures[weights] = judge()
            bar.advance()
        return figures[weights]

    choices = (0.0, *config.weights)
    text, both = 0.0, 0.0
    with one_bar("weighing the memory", total=None) as bar:
        for _ in range(_ROUNDS):
            both = max(choices, key=lambda weight: (figure((text, weight), bar), -weight))
            text = max(choices, key=lambda weight: (figure((weight, both), bar), -weight))
        figure((text, both), bar)
    memory.weigh(text, both)
    if not text and not both:
        model.add_memory(0)
    return (text, both), {f"{one:g}, {other:g}": value for (one, other), value in figures.items()}
