"""Hard negatives: items that the model itself ranks high for a query and that were clicked for others, but not for it.

Among them are good items that were never shown for it. So what scores nearly as high as what was clicked is left out
(positive-aware mining: Moreira et al. 2024, NV-Retriever). Items that nobody clicked for anything are never mined: no
click speaks for them, and new arrivals are such. Knows pairs and the model; nothing of steps.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int64
from pydantic import Field, PositiveInt
from torch import Tensor

from smar.config import Config
from smar.model.smar import SMAR
from smar.model.sources import Rows
from smar.progress import track
from smar.training.pairs import Pairs, Places
from smar.training.stage import Material

_QUERIES_AT_ONCE = 512
_PAIRS_AT_ONCE = 8192
NONE = -1
"""In place of a negative, at the end of a row, for a query that has fewer than others."""
Negatives = Int64[np.ndarray, "query each"]
"""Rows of the catalogue; a row for each query that was clicked for, in the order of `Pairs.texts`."""


class NegativesConfig(Config):
    """Hard negatives, mined by the model as it is before each epoch; before the first only if it is trained by then."""

    count: int = Field(default=0, ge=0)
    """Mined items a batch, each for another of its queries, and negatives of all of them; zero mines none."""
    best: PositiveInt = 300
    """Clicked items ranked best for a query, of which its negatives are taken."""
    below: float = Field(default=0.95, gt=0, le=1)
    """A negative scores less than this share of the score of the best item clicked for the query: what scores more may
    be as good, and never have been shown."""
    each: PositiveInt = 50
    """Negatives a query at most: the best of those left."""


def mine(model: SMAR, material: Material, config: NegativesConfig) -> Negatives:
    """Negatives of each query by the model's multimodal vectors.

    Args:
        model: left in evaluation mode.
        material: its clicked pairs say which queries are meant, and what was clicked for them.
        config: how many, and of which.
    """
    pairs = material.pairs
    model.eval()
    rows = np.unique(pairs.items[: len(pairs)])
    items = torch.from_numpy(model.embed_rows(material.items, rows).multimodal).to(model.device)
    count = pairs.asked
    starts = range(0, count, _QUERIES_AT_ONCE)
    chunks = [np.arange(start, min(start + _QUERIES_AT_ONCE, count)) for start in starts]
    with torch.inference_mode():
        asked = [
            model.queries(material.queries.states(chunk)).float()
            for chunk in track(chunks, "embedding queries")
        ]
        queries = torch.cat(asked)
        limits = _limits(queries, items, pairs, rows, config.below)
        found = np.full((count, config.each), NONE, np.int64)
        for chunk in track(chunks, "mining negatives"):
            scores, places = (queries[chunk] @ items.T).topk(min(config.best, len(rows)))
            ranked = rows[places.cpu().numpy()]
            is_left = (scores < limits[chunk, None]).cpu().numpy() & ~pairs.knows(chunk[:, None], ranked)
            # Those left come first, still in the order of their scores.
            order = np.argsort(~is_left, axis=1, kind="stable")[:, : config.each]
            few = np.where(is_left, ranked, NONE)
            found[chunk, : order.shape[1]] = np.take_along_axis(few, order, axis=1)
    return found


def draw(negatives: Negatives, queries: Places, count: int, rng: np.random.Generator) -> Rows:
    """One negative each for up to `count` of `queries`, all by chance; queries that have none are passed over."""
    asked = queries[queries < len(negatives)]  # The others are items' own words.
    have = (negatives[asked] != NONE).sum(axis=1)
    chosen = rng.permutation(np.flatnonzero(have))[:count]
    rows: Rows = negatives[asked[chosen], rng.integers(have[chosen])]
    return rows


def _limits(
    queries: Float[Tensor, "query dim"],
    items: Float[Tensor, "candidate dim"],
    pairs: Pairs,
    rows: Rows,
    below: float,
) -> Float[Tensor, " query"]:
    """What each query's negatives must score less than."""
    asked = torch.from_numpy(pairs.queries[: len(pairs)]).to(items.device)
    clicked = torch.from_numpy(np.searchsorted(rows, pairs.items[: len(pairs)])).to(items.device)
    best = torch.full((len(queries),), -torch.inf, device=items.device)
    for start in range(0, len(asked), _PAIRS_AT_ONCE):
        part = slice(start, start + _PAIRS_AT_ONCE)
        scores = (queries[asked[part]] * items[clicked[part]]).sum(1)
        best = best.scatter_reduce(0, asked[part], scores, "amax")
    # A share of a score below zero would lie above it.
    return best - (1 - below) * best.abs()
