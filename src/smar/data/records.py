"""The small records a shop is made of, and the faults its files can have.

Knows no file format and no table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from smar.errors import DataError

MESSAGE_FAULTS = 20

Severity = Literal["error", "note"]


@dataclass(frozen=True, slots=True)
class Item:
    """One thing the shop sells; `image` is a path relative to the shop's folder."""

    item_id: str
    title: str
    brand: str | None = None
    category: str | None = None
    description: str | None = None
    department: str | None = None
    image: str | None = None
    price: float | None = None
    in_stock: bool | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Query:
    """One judged query."""

    query_id: str
    text: str
    department: str | None = None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Click:
    """How often shoppers who asked `query` clicked and ordered an item, and what that counts in training."""

    query: str
    item_id: str
    clicks: int
    orders: int
    weight: float


@dataclass(frozen=True, slots=True)
class Judgment:
    """How well an item answers a judged query: 0 is not at all, more is better."""

    query_id: str
    item_id: str
    grade: int


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong in one place; `row` counts data rows from 1, `line` the lines of a text file from 1.

    An "error" leaves something out or refuses the shop; a "note" is handled and only worth knowing.
    """

    kind: str
    message: str
    file: str
    row: int | None = None
    field: str | None = None
    line: int | None = None
    severity: Severity = "error"

    def __str__(self) -> str:
        """Where, then what, as `items.csv, row 2 (line 3), price: 'abc' is not a number`."""
        place = self.file
        if self.row is not None:
            place += f", row {self.row}" + (f" (line {self.line})" if self.line is not None else "")
        elif self.line is not None:
            place += f", line {self.line}"
        if self.field is not None:
            place += f", {self.field}"
        return f"{place}: {self.message}"


def refuse(faults: Sequence[Fault], total: int | None = None) -> None:
    """Raise one `DataError` that names up to 20 of `faults`, of `total` in all; without any, do nothing."""
    if not faults:
        return
    shown = "; ".join(str(fault) for fault in faults[:MESSAGE_FAULTS])
    more = (len(faults) if total is None else total) - min(len(faults), MESSAGE_FAULTS)
    rest = f"; and {more:,} more" if more > 0 else ""
    raise DataError(
        f"{shown}{rest} (`smar check SHOP` lists every fault; docs/data-format.md says what is expected)"
    )
