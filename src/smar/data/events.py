"""A log of any length becomes counted pairs of query and item, in bounded memory.

Knows no model and no judgments.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePath

import polars as pl

from smar.data.catalog import Catalog
from smar.data.clicks import (
    CLICK_SCHEMA,
    ClickConfig,
    ClickLog,
    count_events,
    normalise_queries,
    pair_weight,
    utc,
)
from smar.data.columns import Column, cast, cell_faults, missing_columns
from smar.data.records import Fault, refuse
from smar.data.tables import Chunks, open_chunks
from smar.errors import ConfigError, DataError
from smar.files import whole_file
from smar.progress import ProgressBar, progress_bar

EVENT_COLUMNS = (
    Column("timestamp", "time", needed=True, filled=True),
    Column("session_id", needed=True, filled=True),
    Column("query", needed=True, filled=True),
    Column("item_id", needed=True, filled=True),
    Column("event", needed=True, filled=True),
)
CLICK_COLUMNS = (
    Column("query", needed=True, filled=True),
    Column("item_id", needed=True, filled=True),
    Column("clicks", "whole", needed=True, filled=True),
    Column("orders", "whole"),
)
EVENT_KINDS = ("click", "order")
PAIR = ("query", "item")

# A log of more events than this takes a while, and shows a bar meanwhile.
LONG_LOG = 1_000_000

Clean = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Portions:
    """How much of a log is in memory at a time: `chunk` rows as read, then about `part` events as counted."""

    chunk: int = 1_000_000
    part: int = 4_000_000


def read_events(
    path: Path,
    catalog: Catalog,
    config: ClickConfig,
    judged: Collection[str] = (),
    portions: Portions = Portions(),
) -> ClickLog:
    """Count the clicks and orders of an `events` table by query and item, each once a session.

    `path` may be a folder: its Parquet files (`log_files`) are one log then. Memory grows with the number of
    different pairs, not of events: a log longer than a chunk is dealt out by query to temporary files (in the
    folder of TMPDIR). `judged` are normalised queries to leave out.

    Raises:
        DataError: a file cannot be read or lacks a column, or there is none.
    """
    rules = Rules.build(catalog, config, judged)
    with ExitStack() as stack:
        logs = [
            stack.enter_context(open_chunks(file, EVENT_COLUMNS, portions.chunk)) for file in log_files(path)
        ]
        refuse([fault for log in logs for fault in missing_columns(log.names, EVENT_COLUMNS, log.path.name)])
        return _count(logs, rules, rules.clean_events, portions.part)


def read_clicks(
    path: Path,
    catalog: Catalog,
    config: ClickConfig,
    judged: Collection[str] = (),
    portions: Portions = Portions(),
) -> ClickLog:
    """Take pairs that are counted already from a `clicks` table; spellings of one query are added up.

    Raises:
        DataError: the file cannot be read, lacks a column, or has a count that is no whole number from 0.
        ConfigError: a date range is asked of a table that has no dates.
    """
    if config.since or config.until:
        raise ConfigError(
            f"since, until: {path.name} has no timestamps; leave them out, or give the shop an events table"
        )
    rules = Rules.build(catalog, config, judged)
    with open_chunks(path, CLICK_COLUMNS, portions.chunk) as chunks:
        refuse(missing_columns(chunks.names, CLICK_COLUMNS, path.name))
        for start, raw in chunks:
            table, first = cast(raw, CLICK_COLUMNS), start + 1
            faults = cell_faults(raw, table, CLICK_COLUMNS[2:], path.name, first)
            refuse(faults + negative_counts(table, path.name, first))
        return _count([chunks], rules, rules.clean_clicks, portions.part)


def write_clicks(log: ClickLog, path: Path) -> None:
    """Write counted pairs as a `clicks` table (Parquet) that `read_clicks` reads, whole or not at all."""
    with whole_file(path) as part:
        clicks_table(log).write_parquet(part)


def clicks_table(log: ClickLog) -> pl.DataFrame:
    """The columns of a `clicks` table, one row a pair, by query and item id."""
    return log.table.select(column.name for column in CLICK_COLUMNS)


def log_files(path: Path) -> list[Path]:
    """The files of a log: `path` itself, or where it is a folder its Parquet files, by name.

    Raises:
        DataError: the folder has none.
    """
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*.parquet") if is_part_of_log(file.relative_to(path)))
    if not files:
        raise DataError(f"{path}: has no Parquet file; a folder of events holds *.parquet")
    return files


def is_part_of_log(file: PurePath) -> bool:
    """Whether a path within a folder of events holds some: Parquet; no name starts with `_` or a dot."""
    return file.suffix == ".parquet" and not any(part.startswith(("_", ".")) for part in file.parts)


def negative_counts(table: pl.DataFrame, file: str, first: int = 1) -> list[Fault]:
    """Counts below 0, in a table typed by `CLICK_COLUMNS`."""
    faults = []
    for name in ("clicks", "orders"):
        for row in (table[name] < 0).arg_true().to_list():
            message = f"{table[name][row]} is below 0; counts start at 0"
            faults.append(Fault("negative count", message, file, first + row, name))
    return faults


@dataclass(frozen=True)
class Rules:
    """What decides whether an event is used: the shop's items, the judged queries, and the config."""

    items: pl.DataFrame
    judged: pl.DataFrame
    config: ClickConfig

    @classmethod
    def build(cls, catalog: Catalog, config: ClickConfig, judged: Collection[str]) -> Rules:
        """Number the items by their row in the catalogue, which is the order of their ids."""
        items = catalog.table.select("item_id").with_row_index("item")
        known = pl.DataFrame({"query": sorted(set(judged))}, schema={"query": pl.String})
        return cls(items, known.with_columns(is_judged=pl.lit(True)), config)

    def clean_events(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Events as pairs with sessions and counts, and the `reason` to leave one out, or null."""
        table = self._known(cast(raw, EVENT_COLUMNS))
        reason = (
            pl.when(pl.col("timestamp").is_null())
            .then(pl.lit("missing or unreadable timestamp"))
            .when(pl.col("session_id").is_null())
            .then(pl.lit("missing session_id"))
            .when(pl.col("event").is_null())
            .then(pl.lit("missing event"))
            .when(~pl.col("event").is_in(EVENT_KINDS))
            .then(pl.lit("unknown event"))
            .when(pl.col("timestamp") < utc(self.config.since) if self.config.since else pl.lit(False))
            .then(pl.lit("before `since`"))
            .when(pl.col("timestamp") >= utc(self.config.until) if self.config.until else pl.lit(False))
            .then(pl.lit("at `until` or later"))
        )
        return table.select(
            *PAIR,
            "session_id",
            (pl.col("event") == "click").cast(pl.UInt32).alias("clicks"),
            (pl.col("event") == "order").cast(pl.UInt32).alias("orders"),
            pl.lit(1, pl.Int64).alias("events"),
            pl.coalesce(reason, "reason").alias("reason"),
        )

    def clean_clicks(self, raw: pl.DataFrame) -> pl.DataFrame:
        """Counted pairs in the form of `clean_events`, without sessions."""
        counts = pl.col("clicks", "orders").fill_null(0)
        table = self._known(cast(raw, CLICK_COLUMNS).with_columns(counts))
        events = (pl.col("clicks") + pl.col("orders")).alias("events")
        counted = pl.col("clicks", "orders").cast(pl.UInt32)
        return table.select(*PAIR, counted, events, "reason").filter(pl.col("events") > 0)

    def _known(self, table: pl.DataFrame) -> pl.DataFrame:
        """Normalise queries and number items; say in `reason` which queries and items are of no use."""
        table = table.with_columns(normalise_queries(table["query"]))
        table = table.join(self.items, on="item_id", how="left").join(self.judged, on="query", how="left")
        return table.with_columns(
            reason=pl.when(pl.col("query").fill_null("") == "")
            .then(pl.lit("empty query"))
            .when(pl.col("item_id").is_null())
            .then(pl.lit("missing item_id"))
            .when(pl.col("item").is_null())
            .then(pl.lit("unknown item"))
            .when(pl.col("is_judged").is_not_null())
            .then(pl.lit("judged query"))
        )


def left_out_of(cleaned: pl.DataFrame) -> pl.DataFrame:
    """How many `events` of a cleaned table are left out, by `reason`."""
    refused = cleaned.filter(pl.col("reason").is_not_null())
    return refused.group_by("reason").agg(pl.col("events").sum())


def kept_of(cleaned: pl.DataFrame) -> pl.DataFrame:
    """The rows of a cleaned table that are used."""
    return cleaned.filter(pl.col("reason").is_null()).drop("reason", "events")


def part_of(number: int) -> pl.Expr:
    """In which of `number` parts a row is counted: all rows of a query are in one."""
    return (pl.col("query").hash(seed=0) % number).alias("part")


def pairs_of(part: pl.DataFrame, left_out: Counter[str]) -> pl.DataFrame:
    """Counts by query and item; where sessions are known, a click repeated within one counts once."""
    if "session_id" in part.columns:
        once = part.unique()
        left_out["repeated in a session"] += part.height - once.height
        part = once
    return part.group_by(PAIR).agg(pl.col("clicks", "orders").sum())


def click_log(parts: Iterable[pl.DataFrame], left_out: Counter[str], rules: Rules) -> ClickLog:
    """Put the pairs of all parts in order; each query is in one part only.

    Reasons are read from `left_out` when the last part has been taken.
    """
    pairs: list[pl.DataFrame] = []
    queries: list[pl.Series] = []
    for part in parts:
        counted = _kept(part, rules.config, left_out)
        names = counted["query"].unique().sort()
        # Until the end a number stands for a query, to sort fast and small.
        number_of = (pl.col("query").rank("dense") - 1 + sum(map(len, queries))).cast(pl.UInt32)
        pairs.append(counted.with_columns(number_of))
        queries.append(names)
    table = _in_order(pl.concat(pairs), pl.concat(queries), rules)
    reasons = {reason: count for reason, count in sorted(left_out.items()) if count}
    return ClickLog(table, count_events(table) + sum(reasons.values()), reasons)


def _count(logs: Sequence[Chunks], rules: Rules, clean: Clean, part_events: int) -> ClickLog:
    """Clean every chunk, count part by part, and put the pairs in order."""
    left_out: Counter[str] = Counter()
    rows = sum(log.rows for log in logs)
    number = max(1, -(-rows // part_events))
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="smar-")))
        bar = None
        if rows > LONG_LOG:
            bar = stack.enter_context(progress_bar("count events", sum(map(len, logs)) + number))
        parts = _parts(_cleaned(logs, clean, left_out, bar), number, scratch)
        return click_log(_counted(parts, left_out, bar), left_out, rules)


def _cleaned(
    logs: Sequence[Chunks], clean: Clean, left_out: Counter[str], bar: ProgressBar | None
) -> Iterator[pl.DataFrame]:
    """The events to use, chunk by chunk; the others are added to `left_out`."""
    for log in logs:
        for _, raw in log:
            table = clean(raw)
            for reason, count in left_out_of(table).iter_rows():
                left_out[reason] += count
            if bar is not None:
                bar.advance()
            yield kept_of(table)


def _counted(
    parts: Iterable[pl.DataFrame], left_out: Counter[str], bar: ProgressBar | None
) -> Iterator[pl.DataFrame]:
    """The pairs of each part."""
    for part in parts:
        yield pairs_of(part, left_out)
        if bar is not None:
            bar.advance()


def _parts(tables: Iterator[pl.DataFrame], number: int, scratch: Path) -> Iterator[pl.DataFrame]:
    """The same rows in `number` parts, each with all rows of its queries; two or more go through files."""
    if number == 1:
        yield pl.concat(tables)
        return
    for turn, table in enumerate(tables):
        dealt = table.with_columns(part_of(number)).partition_by("part", as_dict=True, include_key=False)
        for (part,), rows in dealt.items():
            rows.write_parquet(scratch / f"{part}-{turn}.parquet", compression="lz4", statistics=False)
        none = table.clear()
    for part in range(number):
        files = sorted(scratch.glob(f"{part}-*.parquet"))
        yield pl.concat([none, *(pl.read_parquet(file, memory_map=False) for file in files)])
        for file in files:
            file.unlink()


def _kept(pairs: pl.DataFrame, config: ClickConfig, left_out: Counter[str]) -> pl.DataFrame:
    """The pairs of queries, and then the pairs, that were clicked often enough."""
    events = (pl.col("clicks") + pl.col("orders")).alias("events")
    pairs = pairs.with_columns(events)
    for reason, enough in (
        ("fewer than `min_query_clicks`", pl.col("events").sum().over("query") >= config.min_query_clicks),
        ("fewer than `min_clicks`", pl.col("events") >= config.min_clicks),
    ):
        kept = pairs.filter(enough)
        left_out[reason] += int(pairs["events"].sum()) - int(kept["events"].sum())
        pairs = kept
    return pairs.drop("events")


def _in_order(pairs: pl.DataFrame, queries: pl.Series, rules: Rules) -> pl.DataFrame:
    """Pairs by query and item id, from numbers: `query` points into `queries`, `item` into the catalogue."""
    order = queries.arg_sort()
    place = order.arg_sort().cast(pl.UInt32)
    pairs = pairs.with_columns(place.gather(pairs["query"]).alias("query")).sort(PAIR)
    named = pairs.with_columns(
        queries.gather(order).gather(pairs["query"]).alias("query"),
        rules.items["item_id"].gather(pairs["item"]).alias("item_id"),
        pair_weight(rules.config),
    )
    return named.select(pl.col(name).cast(dtype) for name, dtype in CLICK_SCHEMA.items())
