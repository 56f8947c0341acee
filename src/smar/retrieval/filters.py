"""Which items a search may return, from a small JSON form such as {"brand": ["H&M"], "price": {"max": 40}}.

Knows the catalogue's columns; nothing of vectors, indexes or queries.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import TypeGuard

import numpy as np
import polars as pl

from smar.data.catalog import Catalog
from smar.errors import QueryError
from smar.retrieval.vectors import Flags

FilterValue = str | bool | int | float | Sequence[str | bool | int | float] | Mapping[str, int | float]
"""One value (equal), a list of values (equal to any) or {"min": ..., "max": ...} (between, both included)."""

_NUMBER = r"-?[0-9]*\.?[0-9]+"
_RANGE = re.compile(rf"(?P<min>{_NUMBER})?\.\.(?P<max>{_NUMBER})?")


def compile_filter(filters: Mapping[str, FilterValue], catalog: Catalog) -> Flags:
    """Say for every row of `catalog` whether it passes all of `filters`.

    A field is any column of the catalogue, further attributes included. Text is compared exactly, letter case
    too. An item whose cell is empty never passes a filter on that field. No filters let every item pass.

    Raises:
        QueryError: there is no such field, or a value is of the wrong type for it; the message says what is.
    """
    table = catalog.table
    if not filters:
        return np.ones(table.height, np.bool_)
    try:
        conditions = [_condition(field, value, table) for field, value in filters.items()]
        return _passes(table, conditions)
    except (OverflowError, UnicodeError, pl.exceptions.PolarsError) as error:
        raise QueryError(f"filters: a value cannot be compared with the items' ({error})") from error


def _passes(table: pl.DataFrame, conditions: list[pl.Expr]) -> Flags:
    passes = table.select(pl.all_horizontal(conditions).fill_null(value=False).alias("passes"))["passes"]
    return np.ascontiguousarray(passes.to_numpy(), dtype=np.bool_)


def parse_filters(texts: Sequence[str]) -> dict[str, FilterValue]:
    """Read `brand=Acme`, `in_stock=true`, `price=10..40`; of a name given twice, either value passes.

    Raises:
        QueryError: a text has another form.
    """
    found: dict[str, FilterValue] = {}
    values: dict[str, list[str | bool | int | float]] = {}
    for text in texts:
        name, equals, raw = text.partition("=")
        bounds = _RANGE.fullmatch(raw)
        if not equals or not name or not raw:
            raise QueryError(f"filter {text!r}: expected NAME=VALUE, for example brand=Acme or price=10..40")
        if name in found and (bounds or name not in values):
            raise QueryError(f"filter {text!r}: {name} has a filter already; give one range, or only values")
        if bounds:
            found[name] = {end: float(word) for end, word in bounds.groupdict().items() if word}
        else:
            found[name] = values.setdefault(name, [])
            values[name].append(_value(raw))
    return found


def _condition(field: str, value: object, table: pl.DataFrame) -> pl.Expr:
    if field not in table.columns:
        raise QueryError(f"filter {field!r}: there is no such field; there are {', '.join(table.columns)}")
    dtype = table.schema[field]
    if isinstance(value, Mapping):
        return _between(field, value, dtype)
    values = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if not values:
        raise QueryError(f"filter {field!r}: an empty list lets nothing pass; leave the field out instead")
    return pl.any_horizontal([_equal(field, one, dtype) for one in values])


def _equal(field: str, value: object, dtype: pl.DataType) -> pl.Expr:
    cell = pl.col(field)
    if isinstance(dtype, pl.Boolean) and isinstance(value, bool):
        return cell == value
    if dtype.is_numeric() and _is_number(value):
        return cell == _number(value, dtype)
    if isinstance(value, str) and isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return cell.cast(pl.String) == value
    if isinstance(value, str) and isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.String):
        return cell.list.contains(value)
    raise QueryError(f"filter {field!r}: {value!r} is of the wrong type; {_wanted(dtype)}")


def _between(field: str, bounds: Mapping[str, object], dtype: pl.DataType) -> pl.Expr:
    if not dtype.is_numeric():
        raise QueryError(f"filter {field!r}: only numbers have a range; {_wanted(dtype)}")
    unknown = sorted(set(bounds) - {"min", "max"})
    if unknown or not bounds:
        raise QueryError(
            f"filter {field!r}: {dict(bounds)!r} is no range; give min, max or both, and nothing else"
        )
    for bound in bounds.values():
        if not _is_number(bound):
            raise QueryError(f"filter {field!r}: {bound!r} is no bound of a range; give a finite number")
    least, most = bounds.get("min"), bounds.get("max")
    if _is_number(least) and _is_number(most) and least > most:
        raise QueryError(f"filter {field!r}: min {least} is above max {most}; swap them")
    cell = pl.col(field)
    # To polars NaN is above every number; here it is an empty cell.
    inside = cell.is_not_nan() if dtype.is_float() else cell.is_not_null()
    if _is_number(least):
        inside &= cell >= _number(least, dtype)
    if _is_number(most):
        inside &= cell <= _number(most, dtype)
    return inside


def _number(value: int | float, dtype: pl.DataType) -> pl.Expr:
    # 0.1 as a double is not 0.1 as a float32, so a float column is compared in its own type.
    return pl.lit(float(value), dtype) if dtype.is_float() else pl.lit(value)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _wanted(dtype: pl.DataType) -> str:
    if dtype.is_numeric():
        return 'give a number, a list of numbers or {"min": ..., "max": ...}'
    if isinstance(dtype, pl.Boolean):
        return "give true or false"
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum | pl.List):
        return "give a text or a list of texts"
    return f"a column of type {dtype} cannot be filtered"


def _value(raw: str) -> str | bool | int | float:
    """A number, true, false or a text in double quotes, as JSON has them; any other words are a text."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return raw
    return value if isinstance(value, str | bool | int | float) else raw
