"""What a stage of training gives the loop: losses for a batch of pairs, and how fast each weight learns.

Knows the model and the losses; nothing of steps, checkpoints or devices.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from smar.data.catalog import Catalog
from smar.data.clicks import ClickConfig, ClickLog, normalise_query
from smar.data.shop import Shop
from smar.model.smar import SMAR, ItemOutput
from smar.model.sources import ItemSource, Texts
from smar.progress import console
from smar.training.objectives import contrastive_loss
from smar.training.pairs import PairBatch, Pairs


@dataclass(frozen=True)
class Material:
    """What both stages learn from: pairs, with queries and items opened for the model's towers."""

    pairs: Pairs
    queries: Texts
    items: ItemSource

    @classmethod
    def read(
        cls,
        model: SMAR,
        clicks: ClickLog,
        catalog: Catalog,
        items: ItemSource,
        *,
        own_words: int = 0,
        unseen: ClickLog | None = None,
    ) -> Material:
        """Pair the log with an opened catalogue.

        Args:
            model: its encoders read the queries.
            clicks: the pairs.
            catalog: their items.
            items: the same, opened.
            own_words: if not zero, every item is paired with some words of its own too.
            unseen: clicks on items of which nothing may be learnt: their words are left out too.
        """
        pairs = Pairs.from_clicks(clicks, catalog)
        if own_words:
            words = sample_words(catalog, model.config.seed)
            for item in () if unseen is None else unseen.table["item_id"]:
                words[catalog.row(item)] = ""
            pairs = pairs.with_own_words(words)
        queries = model.read_queries(pairs.texts)
        if queries.cut:
            console.print(
                f"{queries.cut:,} queries of more than {model.config.text.max_query_tokens} tokens are cut there"
            )
        return cls(pairs, queries, items)


def clicks_to_learn(shop: Shop, config: ClickConfig) -> ClickLog:
    """A shop's clicks without the queries that `config` holds out."""
    return shop.clicks(config).split(config.held_out, config.seed)[0]


def split_for_gate(model: SMAR, log: ClickLog, config: ClickConfig) -> tuple[ClickLog, ClickLog]:
    """What stage one sees of `log`, and the clicks on other items, for the gate: none if the model has no gate."""
    return log.split_items(config.gate_items if model.has_gate else 0.0, config.seed)


@dataclass(frozen=True)
class BatchVectors:
    """Vectors of a batch's distinct queries and items; `image` has rows for the items in `with_image` only."""

    queries: Float[Tensor, "query dim"]
    items: ItemOutput

    @classmethod
    def embed(cls, model: SMAR, batch: PairBatch, material: Material) -> BatchVectors:
        """Read and embed all of them at once."""
        queries = model.queries(material.queries.states(batch.queries))
        return cls(queries, model.items(material.items.states(batch.items)))


class Stage(Protocol):
    """One stage of training."""

    @property
    def name(self) -> str:
        """What metrics and progress call it."""

    def losses(self, model: SMAR, batch: PairBatch, vectors: BatchVectors) -> dict[str, Float[Tensor, ""]]:
        """Every loss of a batch by name; `loss` is the one that is minimised."""


@dataclass(frozen=True)
class TaskLosses:
    """The three tasks' losses of a batch's pairs; `image` has rows for the pairs in `with_image` only."""

    queries: Float[Tensor, "pair dim"]
    text: Float[Tensor, " pair"]
    multimodal: Float[Tensor, " pair"]
    image: Float[Tensor, " imaged"]
    with_image: Tensor
    weights: Float[Tensor, " pair"]


def task_losses(model: SMAR, batch: PairBatch, vectors: BatchVectors) -> TaskLosses:
    """Semantic projection, modality alignment and asymmetric modality alignment (paper, stage one), pair by pair."""
    device = model.device
    clicked = torch.from_numpy(batch.item).to(device)
    known = torch.from_numpy(batch.known).to(device)
    queries = vectors.queries[torch.from_numpy(batch.query).to(device)]
    items = vectors.items
    image, with_image = _image_losses(model, queries, items, clicked, known)
    return TaskLosses(
        queries,
        text=contrastive_loss(queries, items.text, clicked, known, model.scale),
        multimodal=contrastive_loss(queries, items.multimodal, clicked, known, model.scale),
        image=image,
        with_image=with_image,
        weights=torch.from_numpy(batch.weights).to(device),
    )


def _image_losses(
    model: SMAR, queries: Tensor, items: ItemOutput, clicked: Tensor, known: Tensor
) -> tuple[Tensor, Tensor]:
    """Modality alignment: among items with an image only, for the pairs that clicked one."""
    if items.image is None:
        return queries.new_zeros(0), clicked.new_zeros(0)
    place = torch.full((len(items.text),), -1, dtype=torch.long, device=clicked.device)
    place[items.with_image] = torch.arange(len(items.with_image), device=clicked.device)
    pairs = torch.nonzero(place[clicked] >= 0).squeeze(1)
    losses = contrastive_loss(
        queries[pairs], items.image, place[clicked[pairs]], known[pairs][:, items.with_image], model.scale
    )
    return losses, pairs


def sample_words(catalog: Catalog, seed: int) -> list[str]:
    """For each item, one to four of the words of its title and category, in their order, drawn by `seed`."""
    random = np.random.default_rng(seed)
    found = []
    for row in catalog.table.select("title", "category").iter_rows():
        words = normalise_query(" ".join(cell for cell in row if cell)).split()
        words = [word for word in dict.fromkeys(words) if any(map(str.isalnum, word))]
        count = min(len(words), int(random.integers(1, 5)))
        found.append(" ".join(words[place] for place in np.sort(random.permutation(len(words))[:count])))
    return found


def sample_rows(has_image: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Up to `count` rows with an image, drawn by `seed`."""
    rows = np.flatnonzero(has_image)
    return np.sort(np.random.default_rng(seed).permutation(rows)[:count])
