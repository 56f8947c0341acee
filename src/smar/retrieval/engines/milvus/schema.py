"""How items lie in a collection: keys, partitions, a field for each column that can be filtered, and filters for them.

Milvus 2.3 has neither empty cells nor two vectors in a row. An item with a photo has two rows, in partitions of their
own, one without has a single one in a third, which both kinds of search read. An empty cell is a value that no filter
can name. Knows no cluster.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from smar.data.catalog import Catalog
from smar.retrieval.filters import FilterValue
from smar.retrieval.index import Rows
from smar.retrieval.selection import Filters, Selection

Side = Literal["text", "multimodal"]
Kind = Literal["word", "words", "number", "single", "flag"]

KEY, VECTOR = "key", "vector"
WITHOUT_IMAGE = "without_image"
PARTITIONS: Mapping[str, tuple[str, ...]] = {
    "text": (WITHOUT_IMAGE, "text"),
    "multimodal": (WITHOUT_IMAGE, "multimodal"),
}
"""Which partitions hold a side's vectors."""
LONGEST, MOST_WORDS = 65_535, 4_096
_EMPTY = "\x00"
_UNFILTERED = {"item_id", "title", "description", "image"}
"""Columns of which nearly every row has another value: a filter on them passes few rows, which are listed."""
_EXACT_INTEGER = 2**53
_FEW = 1_000
"""So few rows are named one by one."""
_MOST_FIELDS = 60
"""Milvus takes 64 in a collection, unless it is told otherwise."""
_NEVER = f"{KEY} < {-(2**62)}"
_LARGEST_SINGLE = float(np.finfo(np.float32).max)


class Field(NamedTuple):
    """A column of the catalogue and the collection's field for it."""

    column: str
    name: str
    kind: Kind


def keys(rows: Rows | Sequence[int], partition: str) -> list[int]:
    """The keys of rows in a partition; negative keys are no items'."""
    return [2 * int(row) + (partition == "multimodal") for row in rows]


def rows_of(found: Rows | Sequence[int]) -> Rows:
    """The rows of keys."""
    return np.asarray(found, np.int64) // 2


def fields_of(catalog: Catalog) -> tuple[Field, ...]:
    """Fields for the columns that a cluster can filter; filters on other columns are looked up here."""
    columns = [name for name in catalog.table.columns if name not in _UNFILTERED]
    kinds = [(name, _kind(catalog.table[name])) for name in columns]
    known = [(name, kind) for name, kind in kinds if kind is not None]
    return tuple(Field(name, f"c{place}", kind) for place, (name, kind) in enumerate(known[:_MOST_FIELDS]))


def cells(values: pl.Series, kind: Kind) -> list[Any]:
    """A column as the collection has it."""
    if kind == "word":
        return values.cast(pl.String).fill_null(_EMPTY).to_list()
    if kind == "words":
        return [[word for word in words or () if word is not None] for words in values.to_list()]
    if kind == "flag":
        return values.cast(pl.Int8).fill_null(-1).to_list()
    return values.cast(pl.Float64).fill_null(math.nan).to_list()


class Passing(NamedTuple):
    """What a cluster is told of a selection."""

    expression: str
    """Lets the selected items pass, and all keys that are no items'; empty if everything may."""
    is_all: bool
    """Whether that says it all; if not, further items pass, which have to be left out afterwards."""


def passing(selection: Selection, fields: Sequence[Field], side: str) -> Passing:
    """Say a selection of rows to the cluster, for one side's vectors."""
    if selection.is_everything:
        return Passing("", is_all=True)
    if selection.count <= _FEW:
        return Passing(f"{_listed(np.flatnonzero(selection.flags), side)} or {KEY} < 0", is_all=True)
    by_column = {field.column: field for field in fields}
    wanted = [_all(filters, by_column) for filters in selection.passing]
    unwanted = [_all(filters, by_column) for filters in selection.failing]
    if 0 < len(selection.hidden) <= _FEW:
        unwanted.append(_listed(np.array(selection.hidden), side))
    is_all = None not in (*wanted, *unwanted) and len(selection.hidden) <= _FEW
    conditions = [text for text in wanted if text is not None]
    conditions += [f"not ({text})" for text in unwanted if text is not None]
    return Passing(f"({' and '.join(conditions)}) or {KEY} < 0" if conditions else "", is_all)


def _kind(values: pl.Series) -> Kind | None:
    dtype = values.dtype
    if isinstance(dtype, pl.Boolean):
        return "flag"
    if dtype.is_float():
        return "single" if isinstance(dtype, pl.Float32) else "number"
    if dtype.is_integer():
        # As a double, which has a value for an empty cell; and larger ones would be rounded.
        least, most = values.min(), values.max()
        if least is None or most is None:
            return "number"
        assert isinstance(least, int)
        assert isinstance(most, int)
        return "number" if -_EXACT_INTEGER < least <= most < _EXACT_INTEGER else None
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        longest = values.cast(pl.String).str.len_bytes().max()
        holds_empty = bool((values.cast(pl.String) == _EMPTY).any())
        return None if holds_empty or (longest is not None and _more(longest, LONGEST)) else "word"
    if isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.String):
        most_words = values.list.len().max()
        longest = values.explode().str.len_bytes().max()
        fits = not any(
            limit is not None and _more(limit, most)
            for limit, most in ((most_words, MOST_WORDS), (longest, LONGEST))
        )
        return "words" if fits else None
    return None


def _more(value: object, limit: int) -> bool:
    return isinstance(value, int) and value > limit


def _listed(rows: Rows, side: str) -> str:
    listed = sorted({key for partition in PARTITIONS[side] for key in keys(rows, partition)})
    return f"{KEY} in {listed}"


def _all(filters: Filters, fields: Mapping[str, Field]) -> str | None:
    conditions = [_condition(fields.get(column), value) for column, value in filters.items()]
    known = [condition for condition in conditions if condition is not None]
    return None if len(known) < len(conditions) else "(" + " and ".join(known) + ")"


def _condition(field: Field | None, value: FilterValue) -> str | None:
    """Whether one filter passes; the value's type was checked when its flags were compiled. None: unknown there."""
    if field is None:
        return None
    if isinstance(value, Mapping):
        signs = {"min": ">=", "max": "<="}
        bounds = [f"{field.name} {signs[name]} {_bound(bound, field.kind)}" for name, bound in value.items()]
        return f"({' and '.join(bounds)})"
    values = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    known = [literal for one in values if (literal := _literal(field, one)) is not None]
    if not known:
        return _NEVER
    if field.kind == "words":
        return "(" + " or ".join(f"array_contains({field.name}, {literal})" for literal in known) + ")"
    return f"{field.name} in [{', '.join(known)}]"


def _literal(field: Field, value: object) -> str | None:
    """A value as the collection's cells are; None if no cell can be equal to it."""
    if field.kind == "flag":
        return str(int(bool(value)))
    if isinstance(value, str):
        return None if field.kind == "word" and value == _EMPTY else _quoted(value)
    assert isinstance(value, int | float)
    if field.kind == "single" and abs(float(value)) > _LARGEST_SINGLE:
        return None
    return repr(_rounded(value, field.kind))


def _bound(value: int | float, kind: Kind) -> str:
    within = min(max(float(value), -_LARGEST_SINGLE), _LARGEST_SINGLE) if kind == "single" else value
    return repr(_rounded(within, kind))


def _rounded(value: int | float, kind: Kind) -> float:
    # Integers beyond 2^53 are rounded, but no cell is as large.
    return float(np.float32(value)) if kind == "single" else float(value)


def _quoted(text: str) -> str:
    escaped = (
        f"\\{char}" if char in '\\"' else f"\\x{ord(char):02x}" if ord(char) < 32 else char for char in text
    )
    return '"' + "".join(escaped) + '"'
