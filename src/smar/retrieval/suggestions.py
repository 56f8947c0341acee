"""Queries of the log that begin as the shopper has begun. Knows words and counts; nothing of search."""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path

import numpy as np
import polars as pl

from smar.data.clicks import ClickLog, normalise_query
from smar.errors import DataError

FILE = "suggestions.parquet"
LEAST_CLICKS = 3
"""Queries with fewer clicks are never suggested: what hardly anyone typed may tell of one shopper (our choice)."""
_MOST = 200_000
_LAST = "\U0010ffff"


class Suggestions:
    """Queries in alphabetical order, with how often they led to a click."""

    def __init__(self, table: pl.DataFrame) -> None:
        table = table.sort("query")
        self._queries = table["query"].to_list()
        self._clicks = table["clicks"].to_numpy()

    def __len__(self) -> int:
        return len(self._queries)

    def most_clicked(self, count: int) -> list[str]:
        """Up to `count` queries, the most clicked first, equals in alphabetical order."""
        order = np.argsort(-self._clicks.astype(np.int64), kind="stable")[:count]
        return [self._queries[place] for place in order]

    def complete(self, begun: str, count: int) -> list[str]:
        """Up to `count` queries that begin with `begun`, the most clicked first, equals in alphabetical order."""
        prefix = normalise_query(begun)
        if not prefix:
            return []
        low, high = bisect_left(self._queries, prefix), bisect_left(self._queries, prefix + _LAST)
        order = np.argsort(-self._clicks[low:high].astype(np.int64), kind="stable")[:count]
        return [self._queries[low + place] for place in order]


def frequent_queries(log: ClickLog) -> pl.DataFrame:
    """The log's most clicked queries, `query` and `clicks`, the most clicked first."""
    counted = log.table.group_by("query").agg(pl.col("clicks").sum())
    frequent = counted.filter(pl.col("clicks") >= LEAST_CLICKS)
    return frequent.sort("clicks", "query", descending=[True, False]).head(_MOST)


def write_suggestions(log: ClickLog, folder: Path) -> None:
    """Keep the log's most clicked queries in `folder`."""
    frequent_queries(log).write_parquet(folder / FILE)


def read_suggestions(folder: Path) -> Suggestions:
    """Read what `write_suggestions` wrote; none where it wrote nothing.

    Raises:
        DataError: the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return Suggestions(pl.DataFrame(schema={"query": pl.String, "clicks": pl.UInt32}))
    try:
        return Suggestions(pl.read_parquet(path))
    except pl.exceptions.PolarsError as error:
        raise DataError(f"{path}: cannot be read ({error}); index the shop again") from error
