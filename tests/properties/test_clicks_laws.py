from __future__ import annotations

import tempfile
from pathlib import Path

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from smar.data.catalog import Catalog
from smar.data.clicks import CLICK_SCHEMA, ClickConfig, ClickLog, normalise_queries, normalise_query
from smar.data.events import Portions, read_events

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
events = st.fixed_dictionaries(
    {
        "timestamp": st.sampled_from(["2026-01-01", "2026-01-02T10:00:00Z", "1767312000", "soon", None]),
        "session_id": st.sampled_from(["s1", "s2", "s3", None]),
        "query": st.sampled_from(
            ["Jug", "jug ", "JUG\u00a0", "Größe", "GRÖSSE", "tall vase", "judged", " ", None]
        ),
        "item_id": st.sampled_from(["a", "b", "gone", None]),
        "event": st.sampled_from(["click", "order", "view", None]),
    }
)
logs = st.lists(events, max_size=30)
configs = st.builds(
    ClickConfig,
    min_clicks=st.integers(1, 3),
    min_query_clicks=st.integers(1, 3),
    order_weight=st.floats(0, 10),
    damping=st.sampled_from(["log", "none"]),
)
LOG_SCHEMA = dict.fromkeys(("timestamp", "session_id", "query", "item_id", "event"), pl.String)


def read(
    rows: list[dict[str, str | None]], config: ClickConfig, portions: Portions | None = None
) -> ClickLog:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.parquet"
        pl.DataFrame(rows, schema=LOG_SCHEMA).write_parquet(path)
        catalog = Catalog.from_table(pl.DataFrame({"item_id": ["a", "b"], "title": ["A", "B"]}), Path(folder))
        return read_events(path, catalog, config, {"judged"}, portions or Portions())


@given(texts)
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalise_query(text)
    assert normalise_query(once) == once
    assert once == once.strip()
    assert "  " not in once


@given(texts)
def test_case_and_outer_spaces_do_not_matter(text: str) -> None:
    assert normalise_query(f"  {text}\t") == normalise_query(text)
    assert normalise_query(text.casefold()) == normalise_query(text)


@given(st.lists(texts | st.none(), max_size=8))
def test_a_column_is_normalised_as_its_texts_are(column: list[str | None]) -> None:
    expected = [None if text is None else normalise_query(text) for text in column]
    assert normalise_queries(pl.Series(column, dtype=pl.String)).to_list() == expected


@settings(deadline=None, max_examples=40)
@given(logs, configs)
def test_every_event_is_used_or_left_out_for_one_reason(
    rows: list[dict[str, str | None]], config: ClickConfig
) -> None:
    log = read(rows, config)
    used = sum(click.clicks + click.orders for click in log)
    assert used + sum(log.left_out.values()) == len(rows) == log.events
    assert all(click.clicks + click.orders >= config.min_clicks for click in log)
    assert all(0 <= click.weight <= config.max_weight for click in log)
    pairs = [(click.query, click.item_id) for click in log]
    assert pairs == sorted(set(pairs))


@settings(deadline=None, max_examples=25)
@given(logs, configs)
def test_neither_the_order_of_events_nor_the_portions_matter(
    rows: list[dict[str, str | None]], config: ClickConfig
) -> None:
    log = read(rows, config)
    shuffled = sorted(rows, key=str)
    again = read(shuffled, config, Portions(chunk=4, part=5))
    assert again.table.equals(log.table)
    assert (again.left_out, again.fingerprint) == (log.left_out, log.fingerprint)


@settings(deadline=None, max_examples=20)
@given(logs)
def test_a_session_repeated_changes_nothing(rows: list[dict[str, str | None]]) -> None:
    assert read(rows + rows, ClickConfig()).table.equals(read(rows, ClickConfig()).table)


@given(st.sets(texts, min_size=1, max_size=20), st.floats(0, 1), st.integers(-(2**63), 2**63))
def test_a_query_is_on_the_same_side_whatever_the_others_are(
    queries: set[str], share: float, seed: int
) -> None:
    rows = sorted((query, "a", 1, 0, 1.0) for query in queries)
    table = pl.DataFrame(rows, schema=CLICK_SCHEMA, orient="row")
    train, held_out = ClickLog(table, len(rows)).split(share, seed)
    assert sorted([*train.queries, *held_out.queries]) == sorted(queries)
    for row in range(len(rows)):
        alone = ClickLog(table[row : row + 1], 1).split(share, seed)[1]
        assert (rows[row][0] in held_out.queries) == (len(alone) == 1)


@given(st.sets(texts, max_size=20), st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_holds_out_at_least_as_much(queries: set[str], one: float, other: float) -> None:
    table = pl.DataFrame(
        [(query, "a", 1, 0, 1.0) for query in sorted(queries)], schema=CLICK_SCHEMA, orient="row"
    )
    small, large = (ClickLog(table, table.height).split(share)[1] for share in sorted((one, other)))
    assert set(small.queries) <= set(large.queries)
