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
MOST_LISTED = 10_000


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
    return tuple(
        Field(name, f"c{place}", kind) for place, (name, kind) in enumerate(kinds) if kind is not None
    )


def cells(values: pl.Series, kind: Kind) -> list[Any]:
    """A column as the collection has it."""
    if kind == "word":
        return values.cast(pl.String).fill_null(_EMPTY).to_list()
    if kind == "words":
        return [[word for word in words or () if word is not None] for words in values.to_list()]
    if kind == "flag":
        return values.cast(pl.Int8).fill_null(-1).to_list()
    return values.cast(pl.Float64).fill_null(math.nan).to_list()


def expression(selection: Selection, fields: Sequence[Field], side: str) -> str | None:
    """What lets the selected items of a side pass, and all keys that are no items'; empty if everything may.

    None: a filter cannot be said to the cluster, and passes too many rows to list.
    """
    if selection.is_everything:
        return ""
    if selection.count <= _FEW:
        return _listed(np.flatnonzero(selection.flags), side)
    by_column = {field.column: field for field in fields}
    conditions = [_all(filters, by_column) for filters in selection.passing]
    conditions += [
        None if inside is None else f"not ({inside})"
        for inside in (_all(filters, by_column) for filters in selection.failing)
    ]
    if selection.hidden:
        conditions.append(f"not ({_listed(np.array(selection.hidden), side, items_alone=True)})")
    known = [condition for condition in conditions if condition is not None]
    if len(known) < len(conditions) or len(selection.hidden) > MOST_LISTED:
        if selection.count > MOST_LISTED:
            return None
        return _listed(np.flatnonzero(selection.flags), side)
    return f"({' and '.join(known)}) or {KEY} < 0"


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


def _listed(rows: Rows, side: str, *, items_alone: bool = False) -> str:
    listed = sorted({key for partition in PARTITIONS[side] for key in keys(rows, partition)})
    inside = f"{KEY} in {listed}"
    return inside if items_alone else f"{inside} or {KEY} < 0"


def _all(filters: Filters, fields: Mapping[str, Field]) -> str | None:
    conditions = [_condition(fields.get(column), value) for column, value in filters.items()]
    known = [condition for condition in conditions if condition is not None]
    return None if len(known) < len(conditions) else "(" + " and ".join(known) + ")"


def _condition(field: Field | None, value: FilterValue) -> str | None:
    """Whether one filter passes; the value's type was checked when its flags were compiled."""
    if field is None:
        return None
    if isinstance(value, Mapping):
        bounds = [_number(bound, field.kind) for bound in value.values()]
        signs = [">=" if name == "min" else "<=" for name in value]
        if None in bounds:
            return None
        return "(" + " and ".join(f"{field.name} {s} {b}" for s, b in zip(signs, bounds, strict=True)) + ")"
    values = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    literals = [_literal(field, one) for one in values]
    known = [literal for literal in literals if literal is not None]
    if len(known) < len(literals):
        return None
    if field.kind == "words":
        return "(" + " or ".join(f"array_contains({field.name}, {literal})" for literal in known) + ")"
    return f"{field.name} in [{', '.join(known)}]"


def _literal(field: Field, value: object) -> str | None:
    if field.kind == "flag":
        return str(int(bool(value)))
    if isinstance(value, str):
        return None if field.kind == "word" and value == _EMPTY else _quoted(value)
    return _number(value, field.kind)


def _number(value: object, kind: Kind) -> str | None:
    assert isinstance(value, int | float)
    if isinstance(value, int) and abs(value) >= _EXACT_INTEGER:
        return None
    return repr(float(np.float32(value)) if kind == "single" else float(value))


def _quoted(text: str) -> str:
    escaped = (
        f"\\{char}" if char in '\\"' else f"\\x{ord(char):02x}" if ord(char) < 32 else char for char in text
    )
    return '"' + "".join(escaped) + '"'
