"""How the likelihood of a query's words, given an item, is learnt from clicks: the last thing that a run learns.

Knows clicked items, the words of their queries and the finished towers; nothing of batches of pairs.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64
from pydantic import Field, PositiveFloat, PositiveInt
from torch import Tensor
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from smar.config import Config
from smar.errors import ConfigError
from smar.model.grams import words_of
from smar.model.precision import is_fast_in_bfloat16, low_precision
from smar.model.smar import SMAR
from smar.model.sources import ItemSource
from smar.model.term_table import hash_words
from smar.model.terms import Photos
from smar.progress import console, one_bar, progress_bar, track
from smar.training.pairs import Pairs

_ITEMS_AT_ONCE = 256
_WARM_UP = 50
_MOST_CLICKS = 20.0
"""An item counts no more than one that was asked for by so many words, in pairs of mean weight."""


class TermsLoopConfig(Config):
    """How the likelihood of words is learnt, once the towers have learnt all they will."""

    epochs: int = Field(default=24, ge=0)
    """How often every clicked item is seen; zero leaves the likelihood out."""
    batch_size: PositiveInt = 256
    """Items a step."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Peak learning rate."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Of AdamW."""
    least_queries: PositiveInt = 3
    """Distinct queries of the log that a word must stand in; rarer ones, most of them slips, are not learnt."""
    most_words: PositiveInt = 50_000
    """Words to learn at most, the most frequent; memory of a step, and the time to embed an item, grow with them."""
    most_items: PositiveInt = 200_000
    """Clicked items to learn from at most, drawn by chance; each takes some 7 KB of memory."""
    weights: tuple[PositiveFloat, ...] = Field(default=(0.003, 0.006, 0.01, 0.015, 0.02, 0.03), min_length=1)
    """How much log p(query | item) may count beside the cosine; held-out clicks choose one, or none of them."""


@dataclass(frozen=True)
class TermsFit:
    """What was learnt: words known, items seen, and the weight that held-out clicks chose, with their figures."""

    words: int
    items: int
    weight: float
    figures: dict[str, float]
    """By weight, and by "0" without the likelihood."""


def fit_terms(model: SMAR, pairs: Pairs, items: ItemSource, config: TermsLoopConfig) -> tuple[int, int]:
    """Learn log p(word | item), in place, from what was asked before items were clicked; nothing else changes.

    Each clicked item is a distribution over words, by the weights of its pairs; the cross-entropy to it is minimised,
    an item's share growing with the root of the words it was asked for by (our choices). The likelihood counts for
    nothing before `choose_weight`.

    Returns:
        How many words and items there were; without either, the model is left without terms.

    Raises:
        ConfigError: the model's settings have no terms, or it looks at images alone.
    """
    if not model.config.terms.dim or model.config.fusion.kind == "image":
        raise ConfigError(
            "model.terms.dim = 0 or fusion.kind = image: such a model has no query terms to learn"
        )
    model.add_terms(0)
    words, queries = _vocabulary(pairs, config)
    targets = _targets(pairs, queries)
    rows = np.array(sorted(targets), dtype=np.int64)
    if len(rows) > config.most_items:
        rows = np.sort(
            np.random.default_rng(model.config.seed).choice(rows, config.most_items, replace=False)
        )
        console.print(f"query terms are learnt from {len(rows):,} of {len(targets):,} clicked items")
    if not len(rows) or not config.epochs:
        return 0, 0
    text, photo = _read(model, items, rows)
    with torch.random.fork_rng():
        torch.manual_seed(model.config.seed)
        model.add_terms(len(words))
        assert model.terms is not None
        model.terms.hashes.copy_(torch.from_numpy(hash_words(words)))
        _learn(model, [targets[row] for row in rows], text, photo, config)
    with torch.inference_mode():
        chunks = torch.split(torch.arange(len(rows)), _ITEMS_AT_ONCE)
        model.terms.centre(
            torch.cat([model.terms.parts(*_some(model, text, photo, chunk)) for chunk in chunks])
        )
    return len(words), len(rows)


def choose_weight(
    model: SMAR, weights: Sequence[float], judge: Callable[[], float]
) -> tuple[float, dict[str, float]]:
    """Let the likelihood count as much as is best for held-out clicks; if nothing is gained, take it away.

    Args:
        model: with terms, whose weight is set.
        weights: to try, besides none.
        judge: a figure of merit of the model as it is; higher is better. Vectors of items need no new look.

    Returns:
        The weight and the figure of each.
    """
    assert model.terms is not None
    figures = {}
    with one_bar("weighing query terms", 1 + len(weights)) as bar:
        for weight in (0.0, *weights):
            model.terms.weight.fill_(weight)
            figures[weight] = judge()
            bar.advance()
    best = max(figures, key=lambda weight: (figures[weight], -weight))
    model.terms.weight.fill_(best)
    if not best:
        model.add_terms(0)
    return best, {f"{weight:g}": figure for weight, figure in figures.items()}


def _vocabulary(pairs: Pairs, config: TermsLoopConfig) -> tuple[list[str], list[Int64[np.ndarray, " word"]]]:
    """The words to learn, in the order of their hashes, and those of each query, as places among them."""
    found = [list(dict.fromkeys(words_of(text))) for text in pairs.texts]
    clicked = np.unique(pairs.queries[: len(pairs)])
    counts = Counter(word for query in clicked for word in found[query])
    frequent = sorted(word for word, count in counts.items() if count >= config.least_queries)
    words = sorted(frequent, key=lambda word: -counts[word])[: config.most_words]
    if len(words) < len(frequent):
        console.print(f"query terms are the {len(words):,} most frequent of {len(frequent):,} words")
    words.sort(key=lambda word: int(hash_words([word])[0]))
    place = {word: at for at, word in enumerate(words)}
    return words, [np.array([place[word] for word in query if word in place], np.int64) for query in found]


def _targets(pairs: Pairs, queries: list[Int64[np.ndarray, " word"]]) -> dict[int, dict[int, float]]:
    """How often each clicked item was asked for by each word, by the weights of its pairs."""
    targets: dict[int, dict[int, float]] = defaultdict(dict)
    clicked = slice(len(pairs))
    for query, item, weight in zip(
        pairs.queries[clicked], pairs.items[clicked], pairs.weights[clicked], strict=True
    ):
        for word in queries[query].tolist() if weight > 0 else ():
            asked = targets[int(item)]
            asked[word] = asked.get(word, 0.0) + float(weight)
    return targets


@torch.inference_mode()
def _read(model: SMAR, items: ItemSource, rows: Int64[np.ndarray, " row"]) -> tuple[Tensor, Photos]:
    """The text vectors and scaled photos of `rows`, in half precision."""
    text = torch.empty((len(rows), model.vector_dim), dtype=torch.float16)
    photos: Tensor | None = None
    was_training = model.training
    model.eval()
    # Texts of like length together, as elsewhere: little padding is computed.
    order = np.argsort([len(items.texts.tokens[row]) for row in rows], kind="stable")
    starts = range(0, len(rows), _ITEMS_AT_ONCE)
    for start in track(starts, "reading clicked items"):
        places = order[start : start + _ITEMS_AT_ONCE]
        with low_precision(model.device, enabled=is_fast_in_bfloat16(model.device)):
            states = items.states(rows[places])
            text[places] = model.items(states).text.half().cpu()
        if states.images is not None:
            seen = model.scaled_summaries(states.images).half().cpu()
            if photos is None:
                photos = torch.zeros((len(rows), seen.shape[1]), dtype=torch.float16)
            photos[places[states.with_image.cpu().numpy()]] = seen
    model.train(was_training)
    return text, photos


def _some(model: SMAR, text: Tensor, photo: Photos, places: Tensor) -> tuple[Tensor, Photos]:
    seen = None if photo is None else photo[places].to(model.device).float()
    return text[places].to(model.device).float(), seen


def _learn(
    model: SMAR, targets: list[dict[int, float]], text: Tensor, photo: Photos, config: TermsLoopConfig
) -> None:
    """Fit the model's terms to each row's distribution over words."""
    terms = model.terms
    assert terms is not None
    terms.train()
    random = np.random.default_rng(model.config.seed)
    steps = config.epochs * math.ceil(len(targets) / config.batch_size)
    optimizer = AdamW(terms.parameters(), config.learning_rate, weight_decay=config.weight_decay)

    def rate(step: int) -> float:
        return min(1.0, (step + 1) / _WARM_UP) * (1 + math.cos(math.pi * step / steps)) / 2

    schedule = LambdaLR(optimizer, rate)
    with progress_bar("learning query terms", steps) as bar:
        for _ in range(config.epochs):
            order = torch.from_numpy(random.permutation(len(targets)))
            for places in torch.split(order, config.batch_size):
                wanted = np.zeros((len(places), len(terms.hashes)), np.float32)
                for row, place in enumerate(places.tolist()):
                    wanted[row, list(targets[place])] = list(targets[place].values())
                asked = torch.from_numpy(wanted).to(model.device)
                clicks = asked.sum(1)
                losses = -(asked * terms.log_likelihoods(*_some(model, text, photo, places))).sum(1) / clicks
                shares = clicks.clamp(max=_MOST_CLICKS).sqrt()
                loss = (losses * shares).sum() / shares.sum()
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
                bar.advance(1)
    terms.eval()
