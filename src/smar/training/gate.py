"""How the gate learns: from clicks on items that the towers have not met, ranked with both kinds of vectors.

Clicks that the towers learnt from are no guide: a picture that was learnt by heart ranks first, whether or not
pictures help. Knows ranks and the gate; nothing of batches, steps or the towers' losses.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from smar.data.catalog import Catalog
from smar.data.clicks import ClickLog
from smar.model.smar import SMAR
from smar.model.sources import ItemSource
from smar.progress import track
from smar.training.pairs import Pairs

_CLICKS_AT_ONCE = 256
_FOLDS = 5
_DEALS = 3
_CATEGORY_PENALTY = 20.0
_SAME_SCORE = 1e-6


@dataclass(frozen=True)
class GateLesson:
    """Clicks, and how much better multimodal vectors than text vectors rank the clicked item.

    `query` gives each click's row in `texts`, `item` its row in the catalogue. A `gain` of 1 says that multimodal
    vectors halve the item's rank among all items of the catalogue, one of -1 that they double it.
    """

    texts: list[str]
    query: Int64[np.ndarray, " click"]
    item: Int64[np.ndarray, " click"]
    gain: Float[Tensor, " click"]
    category: list[str | None]
    """Of each click's item."""

    @classmethod
    def read(cls, model: SMAR, clicks: ClickLog, catalog: Catalog, items: ItemSource) -> GateLesson:
        """Rank the clicked items of `clicks`, from which the model should have learnt nothing."""
        if not len(clicks):
            return cls([], np.empty(0, np.int64), np.empty(0, np.int64), torch.empty(0), [])
        pairs = Pairs.from_clicks(clicks, catalog)
        arrays = model.drawn(model.embed_rows(items, np.arange(len(items))), items.names)
        sides = [torch.from_numpy(vectors).to(model.device) for vectors in (arrays.text, arrays.multimodal)]
        queries = torch.from_numpy(model.embed_queries(pairs.texts).vectors).to(model.device)
        gain = torch.empty(len(pairs))
        query, item = torch.from_numpy(pairs.queries), torch.from_numpy(pairs.items)
        for start in track(range(0, len(pairs), _CLICKS_AT_ONCE), "ranking clicks for the gate"):
            few = slice(start, start + _CLICKS_AT_ONCE)
            in_text, in_both = (log_ranks(queries[query[few]], side, item[few]) for side in sides)
            gain[few] = (in_text - in_both).cpu()
        categories = catalog.table["category"].to_list()
        return cls(pairs.texts, pairs.queries, pairs.items, gain, [categories[row] for row in pairs.items])


@dataclass(frozen=True)
class GateFit:
    """What the gate is worth on the clicks it learnt from, as mean gains over text vectors (see `GateLesson`).

    `routed` and `share_with_image` are of gates that were not fitted to the clicked item; `best` is what a gate
    would reach that knew every click's gain.
    """

    clicks: int
    always: float
    routed: float
    best: float
    share_with_image: float
    penalty: float
    """The one that was taken."""

    @classmethod
    def build(cls, gain: Float[Tensor, " click"], is_open: Bool[Tensor, " click"], penalty: float) -> GateFit:
        """Sum up gains of clicks and which of them a gate that never saw them sends to the image."""
        return cls(
            clicks=len(gain),
            always=float(gain.mean()),
            routed=float((gain * is_open).mean()),
            best=float(gain.clamp(min=0).mean()),
            share_with_image=float(is_open.float().mean()),
            penalty=penalty,
        )


_NO_LESSON = GateFit(0, 0.0, 0.0, 0.0, 1.0, 0.0)


def fit_gate(model: SMAR, lesson: GateLesson, penalties: Sequence[float]) -> GateFit:
    """Fit the gate in place to the vectors that the model now gives the lesson's queries.

    Minimises the cross-entropy of P(q) against the sign of each click's gain, weighed by the size of the gain, so
    that P(q) = 1/2 is where the expected gain is zero (our choice). A gate without a lesson stays as it is.

    Args:
        model: its gate changes and nothing else.
        lesson: clicks and gains.
        penalties: what holds all queries at one common value: with n clicks of equal gain, the loss per click grows
            by `penalty / n` times the mean square by which random queries' logits differ from the bias. Of several
            the one is taken whose gates have the least cross-entropy on items that they were not fitted to; of
            equals, the largest. (What they gain there jumps with every click that changes sides, and chose worse.)
    """
    if not len(lesson.gain):
        return _NO_LESSON
    # The gate sees what a query means, and not the part of query terms.
    vectors = model.embed_queries(lesson.texts).vectors[:, : model.gate.in_features]
    queries = torch.from_numpy(vectors)[torch.from_numpy(lesson.query)]
    losses, worths = [], []
    for penalty in track(sorted(penalties, reverse=True), "fitting the gate"):
        deals = [_unfitted(lesson, queries, penalty, seed) for seed in range(_DEALS)]
        losses.append(sum(float(_cross_entropy(logits, lesson.gain)) for logits in deals))
        worths.append(GateFit.build(lesson.gain, deals[0].sigmoid() >= model.gate_threshold, penalty))
    best = worths[int(np.argmin(losses))]
    weight, bias = _logistic(queries, lesson.gain, best.penalty)
    with torch.no_grad():
        model.gate.weight.copy_(weight[None])
        model.gate.bias.copy_(bias)
    return best


def close_categories(model: SMAR, lesson: GateLesson) -> GateFit:
    """Choose in place the item categories whose photos are not used: those where text vectors rank clicks better.

    A category's mean gain is drawn towards that of all clicks, as by twenty clicks more (our choice). P(q) is one for
    every query then.
    """
    with torch.no_grad():
        model.gate.bias.fill_(torch.inf)
    if not len(lesson.gain):
        return _NO_LESSON
    names = np.array([name or "" for name in lesson.category])
    gain = lesson.gain.double().numpy()
    is_open = np.ones(len(gain), dtype=np.bool_)
    for inside in _folds(lesson, seed=0):
        held_back = inside.numpy()
        is_open[held_back] = ~np.isin(names[held_back], _losing(names[~held_back], gain[~held_back]))
    model.close({*model.config.gate.closed, *_losing(names, gain)})
    return GateFit.build(lesson.gain, torch.from_numpy(is_open), _CATEGORY_PENALTY)


def log_ranks(
    queries: Float[Tensor, "click dim"],
    items: Float[Tensor, "item dim"],
    clicked: Int64[Tensor, " click"],
) -> Float[Tensor, " click"]:
    """The binary logarithm of the rank, from 1, of each query's clicked item among all items.

    Variants of a product may have the same text: of items that score the same any may come first, and this is the mean
    over all their orders. (The logarithm of their mean rank is larger, and would count against text vectors.)

    Args:
        queries: the vector of each click's query.
        items: the vectors of all items.
        clicked: its row in `items`.
    """
    scores = queries @ items.T
    mine = scores.gather(1, clicked.to(scores.device)[:, None])
    above = (scores > mine + _SAME_SCORE).sum(1).double()
    level = ((scores - mine).abs() <= _SAME_SCORE).sum(1)
    # log(above + 1) + ... + log(above + level), by the factorials' logarithms.
    total = torch.lgamma(above + level + 1) - torch.lgamma(above + 1)
    return (total / (level * math.log(2))).float()


def _unfitted(
    lesson: GateLesson, queries: Float[Tensor, "click dim"], penalty: float, seed: int
) -> Float[Tensor, " click"]:
    """Each click's logit by a gate fitted to the other folds."""
    logits = torch.empty(len(queries))
    for inside in _folds(lesson, seed):
        weight, bias = _logistic(queries[~inside], lesson.gain[~inside], penalty)
        logits[inside] = queries[inside] @ weight + bias
    return logits


def _folds(lesson: GateLesson, seed: int) -> Iterator[Bool[Tensor, " click"]]:
    """The clicks of each fold; by item, not by click: one item answers many wordings of one wish."""
    items, place = np.unique(lesson.item, return_inverse=True)
    fold = torch.from_numpy(np.random.default_rng(seed).integers(_FOLDS, size=len(items))[place])
    for number in range(_FOLDS):
        yield fold == number


def _losing(names: np.ndarray, gain: np.ndarray) -> list[str]:
    """The names whose clicks lose by the image on average, held towards the mean of all; "" is no name."""
    sums = {str(name): float(gain[names == name].sum()) for name in np.unique(names) if name}
    return [name for name, total in sums.items() if total + _CATEGORY_PENALTY * float(gain.mean()) < 0]


def _logistic(
    queries: Float[Tensor, "click dim"], gain: Float[Tensor, " click"], penalty: float
) -> tuple[Float[Tensor, " dim"], Float[Tensor, ""]]:
    """Weights and bias of a logistic regression with a ridge on the weights; zeros if no click makes a difference."""
    line = torch.zeros(queries.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    weights = gain.abs().double()
    if weights.any():
        # As many clicks of equal weight would say as much (Kish's effective sample size).
        effective = float(weights.sum() ** 2 / (weights**2).sum())
        vectors = queries.double()
        optimizer = torch.optim.LBFGS([line], max_iter=200, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            ridge = penalty / effective * line[:-1].square().mean()
            total = _cross_entropy(vectors @ line[:-1] + line[-1], gain.double()) + ridge
            total.backward()  # type: ignore[no-untyped-call]
            return total

        optimizer.step(loss)  # type: ignore[no-untyped-call]
    fitted = line.detach().float()
    return fitted[:-1], fitted[-1]


def _cross_entropy(logits: Float[Tensor, " click"], gain: Float[Tensor, " click"]) -> Float[Tensor, ""]:
    """Of P(q) against the sign of each click's gain, weighed by the size of the gain: a mean; 0 if all gains are 0."""
    weights = gain.abs()
    losses = F.binary_cross_entropy_with_logits(logits, (gain > 0).to(logits.dtype), reduction="none")
    return (weights * losses).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)
