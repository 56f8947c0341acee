"""How surprising a click is, by what the clicks of other queries say of words, titles and photos.

Knows pairs, and how the likelihood of words is learnt; not what follows from a surprise.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float64, Int64

from smar.model.smar import SMAR
from smar.model.sources import ItemSource
from smar.model.terms import QueryTerms, TermsConfig
from smar.progress import console
from smar.training.pairs import Pairs
from smar.training.terms import (
    TermsLoopConfig,
    asked_words,
    learn_likelihoods,
    query_words,
    read_clicked,
    term_parts,
)

_TERMS = TermsConfig(dim=128)
_QUERIES_AT_ONCE = 256
_MOST_RANKED = 20_000
_RANK_FLOOR = 10
"""Added to ranks before their logarithm is taken: the first and the tenth are as good."""
_NOT_READ = -1

PerPair = Float64[np.ndarray, " pair"]


def fold_ranks(model: SMAR, pairs: Pairs, items: ItemSource, folds: int, config: TermsLoopConfig) -> PerPair:
    """How many clicked items each query's words are likelier for than for the pair's; NaN where no word is known.

    How likely words are was learnt from the folds that the query is not in.
    """
    words, queries = query_words(pairs, config)
    ranks = np.full(len(pairs), np.nan)
    if not words or not config.epochs:
        return ranks
    random = np.random.default_rng(model.config.seed)
    fold = random.integers(folds, size=len(pairs.texts))
    rows = np.unique(pairs.items)
    if len(rows) > config.most_items:
        console.print(
            f"the words of {config.most_items:,} of {len(rows):,} clicked items are looked at for strays"
        )
        rows = np.sort(random.choice(rows, config.most_items, replace=False))
    place = np.where(np.isin(pairs.items, rows), np.searchsorted(rows, pairs.items), _NOT_READ)
    text, photo = read_clicked(model, items, rows)
    width = None if photo is None else photo.shape[1]
    ranked = np.sort(random.permutation(len(rows))[:_MOST_RANKED])
    with torch.random.fork_rng():
        torch.manual_seed(model.config.seed)
        for number in range(folds):
            believed = np.where((fold[pairs.queries] == number) | (place == _NOT_READ), 0, pairs.weights)
            targets = asked_words(
                Pairs(pairs.texts, pairs.queries, pairs.items, believed.astype(np.float32)), queries
            )
            if not targets:
                continue
            learnt = np.array(sorted(targets), np.int64)
            known = torch.from_numpy(np.searchsorted(rows, learnt))
            likelihood = QueryTerms(_TERMS, text.shape[1], width, len(words)).to(model.device)
            seen = None if photo is None else photo[known]
            learn_likelihoods(
                likelihood, [targets[row] for row in learnt], text[known], seen, config, model.config.seed
            )
            parts = term_parts(likelihood, text, photo)
            asked = [int(query) for query in np.flatnonzero(fold == number) if len(queries[query])]
            _rank(ranks, likelihood, parts, parts[ranked], pairs, place, queries, asked)
    return ranks


@torch.inference_mode()
def _rank(
    ranks: PerPair,
    likelihood: QueryTerms,
    parts: torch.Tensor,
    ranked: torch.Tensor,
    pairs: Pairs,
    place: Int64[np.ndarray, " pair"],
    queries: list[Int64[np.ndarray, " word"]],
    asked: list[int],
) -> None:
    """Fill in the ranks of the pairs of the queries in `asked`."""
    order = np.argsort(pairs.queries, kind="stable")
    starts = np.searchsorted(pairs.queries[order], np.arange(len(pairs.texts) + 1))
    for start in range(0, len(asked), _QUERIES_AT_ONCE):
        few = asked[start : start + _QUERIES_AT_ONCE]
        sums = torch.stack([likelihood.words.weight[queries[query]].sum(0) for query in few])
        counts = torch.tensor([[float(len(queries[query]))] for query in few], device=sums.device)
        vectors = torch.cat([sums, counts], dim=1)
        scores = vectors @ ranked.T
        for row, query in enumerate(few):
            mine = order[starts[query] : starts[query + 1]]
            mine = mine[place[mine] != _NOT_READ]
            own = parts[torch.from_numpy(place[mine]).to(parts.device)] @ vectors[row]
            ranks[mine] = (scores[row][None, :] > own[:, None]).sum(1).cpu().numpy()


def surprise(query: Int64[np.ndarray, " pair"], clicks: PerPair, ranks: PerPair) -> PerPair:
    """By how many e-foldings a pair ranks behind its query's other clicks; NaN where there is nothing to compare."""
    logs, is_known = np.log(ranks + _RANK_FLOOR), np.isfinite(ranks)
    counts = np.where(is_known, clicks, 0)
    sums = np.bincount(query, np.where(is_known, logs, 0) * counts)[query]
    others = np.bincount(query, counts)[query] - counts
    with np.errstate(invalid="ignore", divide="ignore"):
        found: PerPair = logs - (sums - np.where(is_known, logs, 0) * counts) / others
    return np.where(others > 0, found, np.nan)
