"""What a column must hold, how to bring it there, and which cells refuse.

Knows no file format and no shop.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import polars as pl

from smar.data.records import Fault

Kind = Literal["text", "number", "whole", "flag", "time"]

DTYPES: dict[Kind, pl.DataType] = {
    "text": pl.String(),
    "number": pl.Float64(),
    "whole": pl.Int64(),
    "flag": pl.Boolean(),
    "time": pl.Datetime("us"),
}
EXPECTED: dict[Kind, str] = {
    "text": "text",
    "number": "a finite number",
    "whole": "a whole number",
    "flag": "one of true, false, 1, 0",
    "time": "a time (ISO 8601, or unix seconds)",
}

TIME_FORMAT = "%Y-%m-%dT%H:%M:%S%.f%z"
# Unix seconds beyond this (the year 5138) are milliseconds by mistake.
LATEST_SECOND = 1e11


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: if `needed` it must exist, if `filled` no row may leave it empty."""

    name: str
    kind: Kind = "text"
    needed: bool = False
    filled: bool = False


def typed(column: Column, dtype: pl.DataType) -> pl.Expr:
    """Bring a raw column of `dtype` to its kind; unreadable cells and blank text become null."""
    raw = pl.col(column.name)
    match column.kind:
        case "text":
            value = _text(raw, dtype)
        case "number":
            value = _number(raw, dtype)
        case "whole":
            value = _whole(raw, dtype)
        case "flag":
            value = _flag(raw, dtype)
        case "time":
            value = _time(raw, dtype)
    return value.alias(column.name)


def cast(raw: pl.DataFrame, columns: Sequence[Column]) -> pl.DataFrame:
    """The table with all of `columns`, in that order and typed; a column that is absent is all null."""
    schema = raw.schema
    return raw.select(
        typed(column, schema[column.name])
        if column.name in schema
        else pl.lit(None, DTYPES[column.kind]).alias(column.name)
        for column in columns
    )


def missing_columns(names: Sequence[str], columns: Sequence[Column], file: str) -> list[Fault]:
    """One fault for each needed column that the table lacks."""
    return [
        Fault("missing column", f"there is no column `{column.name}`, which every row needs", file)
        for column in columns
        if column.needed and column.name not in names
    ]


def cell_faults(
    raw: pl.DataFrame, table: pl.DataFrame, columns: Sequence[Column], file: str, first: int = 1
) -> list[Fault]:
    """Every cell `cast` could not read, and every empty one that must be filled; `first` numbers row 0."""
    faults: list[Fault] = []
    for column in columns:
        if column.name not in raw.columns:
            continue
        before, after = raw[column.name], table[column.name]
        if not _readable(column.kind, before.dtype):
            message = f"is of type {before.dtype}, expected {EXPECTED[column.kind]}"
            faults.append(Fault("wrong type", message, file, None, column.name))
            continue
        empty = is_empty(before)
        for row in (after.is_null() & ~empty).arg_true().to_list():
            message = f"{show(before[row])} is not {EXPECTED[column.kind]}"
            faults.append(Fault("wrong type", message, file, first + row, column.name))
        if column.filled:
            faults += [
                Fault(
                    f"missing {column.name}", "is empty; every row needs one", file, first + row, column.name
                )
                for row in empty.arg_true().to_list()
            ]
    return sorted(faults, key=lambda fault: fault.row or 0)


def is_empty(cells: pl.Series) -> pl.Series:
    """Which cells are null, not a number, or text without a visible character."""
    if cells.dtype == pl.String:
        return cells.is_null() | (cells.str.strip_chars().str.len_bytes() == 0).fill_null(value=False)
    if cells.dtype.is_float():
        return cells.is_null() | cells.is_nan().fill_null(value=False)
    return cells.is_null()


def show(value: object) -> str:
    """A cell for an error message: its Python form (a time: its ISO form), cut short."""
    text = value.isoformat() if isinstance(value, datetime) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def infer(cells: pl.Series) -> pl.Series:
    """Text cells as whole numbers, numbers or flags, if every one of them is; "007" stays text."""
    filled = cells.drop_nulls()
    if filled.is_empty():
        return cells
    if filled.str.contains(r"^(0|-?[1-9][0-9]{0,17})$").all():
        return cells.cast(pl.Int64)
    if filled.str.contains(r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$").all():
        return cells.cast(pl.Float64)
    if filled.str.to_lowercase().is_in(["true", "false"]).all():
        return cells.str.to_lowercase() == "true"
    return cells


def _readable(kind: Kind, dtype: pl.DataType) -> bool:
    if dtype == pl.Null or dtype == pl.String:
        return True
    match kind:
        case "text":
            return dtype.is_integer() or dtype in (pl.Categorical, pl.Enum)
        case "number" | "whole":
            return dtype.is_numeric()
        case "flag":
            return dtype.is_numeric() or dtype == pl.Boolean
        case "time":
            return dtype.is_numeric() or dtype in (pl.Datetime, pl.Date)


def _nothing(kind: Kind) -> pl.Expr:
    return pl.lit(None, DTYPES[kind])


def _text(raw: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if not _readable("text", dtype):
        return _nothing("text")
    text = raw.cast(pl.String)
    return pl.when(text.str.strip_chars().str.len_bytes() > 0).then(text)


def _number(raw: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if not _readable("number", dtype):
        return _nothing("number")
    number = (raw.str.strip_chars() if dtype == pl.String else raw).cast(pl.Float64, strict=False)
    return pl.when(number.is_finite()).then(number)


def _whole(raw: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype.is_integer():
        return raw.cast(pl.Int64, strict=False)
    number = _number(raw, dtype)
    return pl.when(number == number.floor()).then(number).cast(pl.Int64, strict=False)


def _flag(raw: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype == pl.Boolean:
        return raw
    if not _readable("flag", dtype):
        return _nothing("flag")
    if dtype == pl.String:
        word = raw.str.strip_chars().str.to_lowercase()
        return pl.when(word.is_in(["true", "1"])).then(True).when(word.is_in(["false", "0"])).then(False)
    number = raw.cast(pl.Float64, strict=False)
    return pl.when(number == 1).then(True).when(number == 0).then(False)


def _time(raw: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        moment = (
            raw if dtype.time_zone is None else raw.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        )
        return moment.dt.cast_time_unit("us")
    if dtype == pl.Date:
        return raw.cast(pl.Datetime("us"))
    if not _readable("time", dtype):
        return _nothing("time")
    if dtype != pl.String:
        return _from_seconds(_number(raw, dtype))
    text = raw.str.strip_chars()
    return pl.coalesce(_from_iso(text), _from_seconds(_number(raw, dtype)))


def _from_seconds(seconds: pl.Expr) -> pl.Expr:
    plausible = pl.when(seconds.abs() < LATEST_SECOND).then(seconds)
    return (plausible * 1_000_000).round().cast(pl.Int64).cast(pl.Datetime("us"))


def _from_iso(text: pl.Expr) -> pl.Expr:
    """Complete what may be left out (the time, the seconds, the offset: UTC), then read one format."""
    whole = (
        text.str.replace(r"^(\d{4}-\d{2}-\d{2})$", "${1}T00:00:00")
        .str.replace(r"^(\d{4}-\d{2}-\d{2})[ t]", "${1}T")
        .str.replace(r"^(.{10}T\d{2}:\d{2})($|[Zz+-])", "${1}:00${2}")
        .str.replace(r" ?[Zz]$", "+00:00")
        .str.replace(r"^(.{10}T\d{2}:\d{2}:\d{2}(?:\.\d+)?)$", "${1}+00:00")
    )
    return whole.str.to_datetime(
        TIME_FORMAT, time_unit="us", time_zone="UTC", strict=False
    ).dt.replace_time_zone(None)
