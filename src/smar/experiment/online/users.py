"""From the log of an online test to one row a user. Knows happenings; no statistics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from smar.errors import DataError

SUMS = ("exposures", "clicks", "orders", "gmv", "empty", "incomplete", "seconds")
_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "time": pl.Float64,
    "user": pl.String,
    "arm": pl.String,
    "event": pl.String,
    "department": pl.String,
    "departments": pl.List(pl.String),
    "price": pl.Float64,
    "hits": pl.Int64,
    "left_out": pl.Int64,
    "seconds": pl.Float64,
}


@dataclass(frozen=True)
class Happenings:
    """What was noted, in order; `skipped` lines were cut off by a crash."""

    table: pl.DataFrame
    skipped: int

    @classmethod
    def read(cls, path: Path) -> Happenings:
        """Read the log of an online test.

        Raises:
            DataError: it cannot be read, or nobody searched yet.
        """
        skipped = 0
        rows = []
        try:
            for row in _lines(path):
                if row is None:
                    skipped += 1
                else:
                    rows.append({name: row.get(name) for name in _SCHEMA})
        except OSError as error:
            raise DataError(
                f"{path}: cannot be read ({error.strerror}); give the log of an online test"
            ) from error
        table = pl.DataFrame(rows, schema=_SCHEMA)
        if not (table["event"] == "exposure").any():
            raise DataError(f"{path}: nobody was exposed yet; there is nothing to report")
        return cls(table, skipped)

    @property
    def departments(self) -> list[str]:
        """Of what was clicked, ordered or shown."""
        shown = self.table["departments"].drop_nulls().explode().drop_nulls()
        return sorted({*shown.to_list(), *self.table["department"].drop_nulls().to_list()})

    def users(self, department: str | None = None, since: float | None = None) -> pl.DataFrame:
        """One row a user who was exposed: arm, the sums of `SUMS`, whether they ordered, and the sums before `since`.

        Args:
            department: count what happened in it alone.
            since: Unix time from which the test counts; what the same users did before becomes `before_gmv`,
                `before_orders` and `before_clicks`, by which later figures can be made surer.
        """
        table = self.table
        if department is not None:
            here = (pl.col("department") == department) | pl.col("departments").list.contains(department)
            table = table.filter(here.fill_null(value=False))
        after = table if since is None else table.filter(pl.col("time") >= since)
        before = table.clear() if since is None else table.filter(pl.col("time") < since)
        counted = self.table if since is None else self.table.filter(pl.col("time") >= since)
        exposed = counted.filter(pl.col("event") == "exposure").group_by("user").agg(pl.col("arm").first())
        earlier = _sums(before).select(
            "user", *(pl.col(name).alias(f"before_{name}") for name in ("gmv", "orders", "clicks"))
        )
        users = (
            exposed.join(_sums(after), on="user", how="left")
            .join(earlier, on="user", how="left")
            .fill_null(0)
        )
        return users.with_columns(converted=(pl.col("orders") > 0).cast(pl.Float64)).sort("user")


def _sums(table: pl.DataFrame) -> pl.DataFrame:
    is_exposure, is_order = pl.col("event") == "exposure", pl.col("event") == "order"
    return table.group_by("user").agg(
        exposures=is_exposure.sum().cast(pl.Float64),
        clicks=(pl.col("event") == "click").sum().cast(pl.Float64),
        orders=is_order.sum().cast(pl.Float64),
        gmv=pl.col("price").filter(is_order).sum(),
        empty=(is_exposure & (pl.col("hits") == 0)).sum().cast(pl.Float64),
        incomplete=(is_exposure & (pl.col("left_out") > 0)).sum().cast(pl.Float64),
        seconds=pl.col("seconds").filter(is_exposure).sum(),
    )


def _lines(path: Path) -> Iterator[dict[str, Any] | None]:
    """Each line; None for one that is no whole happening."""
    with path.open("rb") as file:
        for line in file:
            try:
                row = json.loads(line)
            except ValueError:
                yield None
                continue
            yield row if isinstance(row, dict) and {"user", "arm", "event"} <= row.keys() else None
