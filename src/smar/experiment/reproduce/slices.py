"""Parts of the judged work that a mean hides: items that nobody clicked yet, and queries of rare words.

Knows rankings, judgements and the log's pairs; nothing of models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from smar.data.clicks import ClickConfig, normalise_query
from smar.data.shop import Shop

RARE_BELOW = 5
"""A word is rare if fewer queries of the log have it (our choice)."""
_DEPTH = 50


@dataclass(frozen=True)
class Slice:
    """`wanted` gives, by query id, the items to find; a query without any is no part of the slice."""

    name: str
    wanted: Mapping[str, frozenset[str]]

    def recall(self, rankings: Mapping[str, Sequence[str]]) -> float:
        """Mean over its queries of the share of wanted items among the first 50."""
        return float(
            np.mean(
                [
                    len(items & set(rankings[query][:_DEPTH])) / len(items)
                    for query, items in self.wanted.items()
                ]
            )
        )


def group_slices(
    shop: Shop,
    split: str,
    clicks: ClickConfig,
    qrels: Mapping[str, Mapping[str, int]],
    places: Mapping[str, np.ndarray],
) -> dict[str, list[Slice]]:
    """New arrivals beside the clicked items that the same queries want; queries of rare words beside the others.

    By group; slices without queries are left out.

    Args:
        shop: its log tells what was clicked.
        split: which judged queries.
        clicks: how the log is read.
        qrels: the judgements of the queries, in their order.
        places: the queries of each group, as places in `qrels`.
    """
    log = shop.clicks(clicks)
    clicked, counts = (
        set(log.table["item_id"]),
        Counter(word for query in log.queries for word in set(query.split())),
    )
    texts = {query.query_id: normalise_query(query.text) for query in shop.queries(split)}
    relevant = {
        query: frozenset(item for item, grade in grades.items() if grade >= 1)
        for query, grades in qrels.items()
    }
    ids = list(qrels)
    found = {}
    for group, inside in places.items():
        of_group = {ids[place]: relevant[ids[place]] for place in inside}
        both = {query: items for query, items in of_group.items() if items & clicked and items - clicked}
        rare = {
            query for query in of_group if any(counts[word] < RARE_BELOW for word in texts[query].split())
        }
        parts = [
            Slice("clicked items", {query: items & clicked for query, items in both.items()}),
            Slice("new arrivals", {query: items - clicked for query, items in both.items()}),
            Slice("rare words", {query: items for query, items in of_group.items() if query in rare}),
            Slice("common words", {query: items for query, items in of_group.items() if query not in rare}),
        ]
        found[group] = [part for part in parts if part.wanted]
    return found


def recalls(
    slices: Mapping[str, Sequence[Slice]], tables: Sequence[pl.DataFrame]
) -> dict[str, dict[str, float]]:
    """R@50 by group and slice, the mean over tables of values per query; nothing for rows without rankings (oracle)."""
    if any(table["found"].null_count() for table in tables):
        return {}
    rankings = [dict(zip(table["query_id"], table["found"].to_list(), strict=True)) for table in tables]
    return {
        group: {part.name: float(np.mean([part.recall(of_seed) for of_seed in rankings])) for part in parts}
        for group, parts in slices.items()
    }
