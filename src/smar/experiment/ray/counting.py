"""Counts a log of events on a Ray cluster: the same pairs, and the same reasons, as one machine. Knows no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import polars as pl

from smar.data.catalog import Catalog
from smar.data.clicks import ClickConfig, ClickLog
from smar.data.events import EVENT_COLUMNS, Rules, click_log, kept_of, left_out_of, pairs_of, part_of
from smar.errors import DataError
from smar.experiment.ray.connect import connected
from smar.experiment.ray.places import Group, Place

# How many events a task reads, and about how many one counts.
_FEWEST_AT_ONCE, _MOST_AT_ONCE = 10_000, 1_000_000
_PART_EVENTS = 1_000_000
_TURNS = 4

_REASONS = pl.Schema({"reason": pl.String(), "events": pl.Int64()})
_PAIRS = pl.Schema({"query": pl.String(), "item": pl.UInt32(), "clicks": pl.UInt32(), "orders": pl.UInt32()})
_COUNTED = pl.Schema({**_PAIRS, **_REASONS})
_DEALT = pl.Schema({"part": pl.Int64(), "session_id": pl.String(), **_COUNTED})


def count_on_cluster(log: Place, catalog: Catalog, config: ClickConfig, address: str) -> ClickLog:
    """Count clicks and orders as `read_events` does, judged queries too, on the cluster at `address`.

    Every node reads `log` itself. A process or a node that is lost loses no event and counts none twice: Ray
    does again what was lost with it.

    Raises:
        DataError: a file cannot be read or lacks a column, or the parts that came back do not fit together.
        ConfigError, Unavailable: the cluster does not answer (`connected`).
    """
    rules = Rules.build(catalog, config, ())
    groups = log.groups(log.log_files(), EVENT_COLUMNS)
    events = sum(group.rows for group in groups)
    with connected(address) as cpus:
        counted = _counted(log, _loads(groups, cpus), rules, max(cpus, -(-events // _PART_EVENTS)))
    is_pair = pl.col("reason").is_null()
    pairs, left_out = counted.filter(is_pair), _reasons(counted.filter(~is_pair))
    if pairs.select("query", "item").is_duplicated().any():
        raise DataError(
            f"{log.name}: a query was counted in two parts; install the same polars on every node"
        )
    found = click_log([pairs.select(*_PAIRS)], left_out, rules)
    if found.events != events:
        raise DataError(f"{log.name}: {events:,} events were read and {found.events:,} counted; repeat")
    return found


def _loads(groups: Sequence[Group], cpus: int) -> list[list[Group]]:
    """The row groups that one task reads each: every CPU has some turns, if there are enough."""
    wanted = sum(group.rows for group in groups) // (_TURNS * cpus)
    wanted = min(_MOST_AT_ONCE, max(_FEWEST_AT_ONCE, wanted))
    loads: list[list[Group]] = []
    rows = wanted
    for group in groups:
        if rows >= wanted:
            loads.append([])
            rows = 0
        loads[-1].append(group)
        rows += group.rows
    return loads


def _counted(log: Place, loads: list[list[Group]], rules: Rules, parts: int) -> pl.DataFrame:
    """Rows of `_COUNTED`: a pair, or a reason with the events that it left out."""
    if not loads:
        return _COUNTED.to_frame()
    import pyarrow
    import ray
    from ray.data import DataContext
    from ray.data.context import ShuffleStrategy

    # Made of tasks, which are done again; the other kind keeps rows in actors, which die with their node.
    DataContext.get_current().shuffle_strategy = ShuffleStrategy.SORT_SHUFFLE_PULL_BASED
    known = [ray.put(_arrow([table], table.schema)) for table in (rules.items, rules.judged)]
    config = rules.config.model_dump_json()
    deal = partial(_deal, log=log, known=known, config=config, parts=parts)
    blocks = [pyarrow.Table.from_pylist([group._asdict() for group in load]) for load in loads]
    dealt = ray.data.from_arrow(blocks).map_batches(deal, batch_format="pyarrow", batch_size=None)
    counted = dealt.groupby("part").map_groups(_count, batch_format="pyarrow")
    tables = [pl.from_arrow(table) for table in counted.iter_batches(batch_size=None, batch_format="pyarrow")]
    return pl.concat([_COUNTED.to_frame(), *(pl.DataFrame(table).cast(_COUNTED) for table in tables)])


def _deal(load: Any, log: Place, known: list[Any], config: str, parts: int) -> Any:
    """On a node: the events of some row groups [Arrow] as rows of `_DEALT`; what is left out is one row a reason."""
    import ray

    items, judged = (pl.DataFrame(pl.from_arrow(table)) for table in ray.get(known))
    rules = Rules(items, judged, ClickConfig.model_validate_json(config))
    tables = []
    for group in load.to_pylist():
        cleaned = rules.clean_events(log.read(Group(**group), EVENT_COLUMNS))
        tables.append(kept_of(cleaned).with_columns(part_of(parts)))
        tables.append(left_out_of(cleaned).with_columns(part=pl.lit(0)))
    return _arrow(tables, _DEALT)


def _count(part: Any) -> Any:
    """On a node: all rows of a part [Arrow, `_DEALT`] as rows of `_COUNTED`."""
    dealt, is_used = pl.DataFrame(pl.from_arrow(part)), pl.col("reason").is_null()
    used, left_out = dealt.filter(is_used).select("session_id", *_PAIRS), _reasons(dealt.filter(~is_used))
    pairs = pairs_of(used, left_out)
    reasons = pl.DataFrame(list(left_out.items()), schema=_REASONS, orient="row")
    return _arrow([pairs, reasons], _COUNTED)


def _reasons(rows: pl.DataFrame) -> Counter[str]:
    """How many events each reason left out, of rows of reasons."""
    left_out = Counter[str]()
    for reason, events in rows.select(*_REASONS).iter_rows():
        left_out[reason] += events
    return left_out


def _arrow(tables: list[pl.DataFrame], schema: pl.Schema) -> Any:
    """Tables of some of these columns as one Arrow table of all of them, in types that every version knows."""
    empty = pl.DataFrame(schema=schema)
    whole = pl.concat([empty, *tables], how="diagonal_relaxed").select(*schema).cast(schema)
    return whole.to_arrow(compat_level=pl.CompatLevel.oldest())
