"""Which rows of a catalogue a search may return, as flags and as the filters that they came from.

An index in this process needs the flags alone; one in another process takes the filters and applies them there.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from smar.data.catalog import Catalog
from smar.retrieval.filters import FilterValue, compile_filter
from smar.retrieval.index import Rows
from smar.retrieval.vectors import Flags

Filters = Mapping[str, FilterValue]

_KEPT = 16
"""Selections of as many filters; each takes a byte an item."""


@dataclass(frozen=True, eq=False)
class Selection:
    """Rows that pass each of some filters and fail each of others, less hidden ones."""

    flags: Flags
    """Bool [row]."""
    passing: tuple[Filters, ...] = ()
    failing: tuple[Filters, ...] = ()
    hidden: tuple[int, ...] = ()
    """Rows that no filter tells apart, ascending."""

    @classmethod
    def of(cls, catalog: Catalog, filters: Filters | None = None) -> Selection:
        """The rows of `catalog` that pass `filters`.

        Raises:
            QueryError: a filter is not understood.
        """
        if not filters:
            return cls(np.ones(len(catalog), np.bool_))
        return cls(compile_filter(filters, catalog), (filters,))

    def __len__(self) -> int:
        return self.count

    @cached_property
    def count(self) -> int:
        """How many rows there are."""
        return int(np.count_nonzero(self.flags))

    @property
    def is_everything(self) -> bool:
        """Whether no row is left out."""
        return self.count == len(self.flags)

    def __and__(self, other: Selection) -> Selection:
        """The rows of both."""
        return Selection(
            self.flags & other.flags,
            self.passing + other.passing,
            self.failing + other.failing,
            tuple(sorted({*self.hidden, *other.hidden})),
        )

    def failing_all(self, *others: Selection) -> Selection:
        """These rows, less those of others, each of which stands for filters alone."""
        flags = self.flags.copy()
        for other in others:
            flags &= ~other.flags
        failing = tuple(filters for other in others for filters in other.passing)
        return Selection(flags, self.passing, self.failing + failing, self.hidden)

    def without(self, rows: Rows) -> Selection:
        """These rows, less some."""
        flags = self.flags.copy()
        flags[rows] = False
        return Selection(flags, self.passing, self.failing, tuple(sorted({*self.hidden, *map(int, rows)})))


class Selections:
    """Selections of one catalogue: those of the last filters are kept. Any number of threads may ask."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._kept = functools.lru_cache(_KEPT)(functools.partial(_select, catalog))

    def of(self, filters: Filters | None = None) -> Selection:
        """The rows that pass `filters`; raises as `Selection.of`."""
        try:
            written = json.dumps(filters or {})
        except (TypeError, ValueError):
            return Selection.of(self._catalog, filters)
        return self._kept(written)


def _select(catalog: Catalog, written: str) -> Selection:
    return Selection.of(catalog, json.loads(written))
