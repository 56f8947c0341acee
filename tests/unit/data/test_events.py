from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from smar.data.catalog import Catalog
from smar.data.clicks import ClickConfig
from smar.data.events import Portions, read_clicks, read_events
from smar.errors import ConfigError, DataError

EVENT = {
    "timestamp": datetime(2026, 1, 1),
    "session_id": "s1",
    "user_id": "u1",
    "query": "red jug",
    "item_id": "jug",
    "position": 1,
    "event": "click",
}
Rows = list[dict[str, Any]]


def write(table: pl.DataFrame, path: Path) -> None:
    match path.suffix:
        case ".parquet":
            table.write_parquet(path)
        case ".csv":
            table.write_csv(path)
        case ".jsonl":
            table.write_ndjson(path)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog.from_table(pl.DataFrame({"item_id": ["jug", "vase"], "title": ["Jug", "Vase"]}), tmp_path)


def write_log(folder: Path, *changes: dict[str, Any]) -> Path:
    rows: Rows = [EVENT | change for change in changes]
    path = folder / "events.parquet"
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)
    return path


def counts(
    path: Path, catalog: Catalog, config: ClickConfig | None = None
) -> list[tuple[str, str, int, int]]:
    log = read_events(path, catalog, config or ClickConfig())
    return [(click.query, click.item_id, click.clicks, click.orders) for click in log]


def test_clicks_and_orders_are_counted_by_query_and_item(tmp_path: Path, catalog: Catalog) -> None:
    path = write_log(
        tmp_path,
        {"session_id": "s1"},
        {"session_id": "s2", "query": " RED  Jug"},
        {"session_id": "s2", "event": "order"},
        {"session_id": "s3", "item_id": "vase"},
        {"session_id": "s3", "query": "jug"},
    )
    assert counts(path, catalog) == [
        ("jug", "jug", 1, 0),
        ("red jug", "jug", 2, 1),
        ("red jug", "vase", 1, 0),
    ]


def test_a_repeated_click_of_a_session_counts_once(tmp_path: Path, catalog: Catalog) -> None:
    path = write_log(
        tmp_path, {}, {"query": "Red jug", "position": 9}, {"event": "order"}, {"event": "order"}
    )
    log = read_events(path, catalog, ClickConfig())
    assert [(click.clicks, click.orders) for click in log] == [(1, 1)]
    assert log.left_out == {"repeated in a session": 2}
    assert log.events == 4


def test_what_cannot_be_used_is_left_out_and_counted_by_reason(tmp_path: Path, catalog: Catalog) -> None:
    path = write_log(
        tmp_path,
        {},
        {"timestamp": None},
        {"session_id": None},
        {"query": None},
        {"query": " \u00a0 "},
        {"item_id": None},
        {"item_id": "gone"},
        {"event": None},
        {"event": "view"},
        {"query": "Judged  query"},
    )
    log = read_events(path, catalog, ClickConfig(), judged={"judged query"})
    assert len(log) == 1
    assert log.events == 10
    assert log.left_out == {
        "missing or unreadable timestamp": 1,
        "missing session_id": 1,
        "empty query": 2,
        "missing item_id": 1,
        "unknown item": 1,
        "missing event": 1,
        "unknown event": 1,
        "judged query": 1,
    }


def test_a_date_range_takes_its_start_and_not_its_end(tmp_path: Path, catalog: Catalog) -> None:
    path = write_log(
        tmp_path, *({"timestamp": datetime(2026, 1, day), "session_id": f"s{day}"} for day in (1, 2, 3, 4))
    )
    config = ClickConfig(since=datetime(2026, 1, 2), until=datetime(2026, 1, 4))
    log = read_events(path, catalog, config)
    assert log[0].clicks == 2
    assert log.left_out == {"before `since`": 1, "at `until` or later": 1}


def test_a_date_range_may_name_its_own_offset(tmp_path: Path, catalog: Catalog) -> None:
    path = write_log(tmp_path, {"timestamp": datetime(2026, 1, 1, 22, 30)})
    config = ClickConfig.check({"since": "2026-01-02T00:00:00+02:00"}, "test")
    assert len(read_events(path, catalog, config)) == 1


def test_rare_queries_and_pairs_are_left_out_and_counted(tmp_path: Path, catalog: Catalog) -> None:
    path = write_log(
        tmp_path,
        *({"session_id": f"s{number}"} for number in range(3)),
        {"item_id": "vase"},
        {"query": "rare"},
    )
    config = ClickConfig(min_clicks=2, min_query_clicks=2)
    log = read_events(path, catalog, config)
    assert [(click.query, click.item_id, click.clicks) for click in log] == [("red jug", "jug", 3)]
    assert log.left_out == {"fewer than `min_clicks`": 1, "fewer than `min_query_clicks`": 1}


def made_up_log(folder: Path, rows: int) -> Path:
    return write_log(
        folder,
        *(
            {
                "session_id": f"s{row // 7}",
                "query": f"{'Größe' if row % 3 else 'SIZE'} {row * row % 23}",
                "item_id": ["jug", "vase", "gone"][row % 11 % 3],
                "event": "order" if row % 5 == 0 else "click",
            }
            for row in range(rows)
        ),
    )


@pytest.mark.parametrize(
    "portions", [Portions(chunk=37, part=50), Portions(chunk=100, part=10_000), Portions(7, 20)]
)
def test_a_log_counted_in_portions_gives_what_it_gives_at_once(
    tmp_path: Path, catalog: Catalog, portions: Portions
) -> None:
    path = made_up_log(tmp_path, 400)
    config = ClickConfig(min_query_clicks=3)
    whole, portioned = (read_events(path, catalog, config, (), p) for p in (Portions(), portions))
    assert whole.table.equals(portioned.table)
    assert (whole.left_out, whole.events) == (portioned.left_out, portioned.events)
    assert whole.table.select("query", "item_id").equals(
        whole.table.select("query", "item_id").sort("query", "item_id")
    )


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_log_in_text_gives_what_parquet_gives(tmp_path: Path, catalog: Catalog, suffix: str) -> None:
    path = made_up_log(tmp_path, 100)
    table = pl.read_parquet(path)
    text = tmp_path / f"events.{suffix}"
    write(table, text)
    config = ClickConfig()
    assert read_events(text, catalog, config).fingerprint == read_events(path, catalog, config).fingerprint


def test_no_temporary_file_outlives_the_count(
    tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    read_events(made_up_log(tmp_path, 100), catalog, ClickConfig(), (), Portions(10, 20))
    assert list(scratch.iterdir()) == []


def test_an_empty_log_gives_no_pairs(tmp_path: Path, catalog: Catalog) -> None:
    path = tmp_path / "events.csv"
    path.write_text("timestamp,session_id,query,item_id,event\n")
    log = read_events(path, catalog, ClickConfig())
    assert (len(log), log.events, log.left_out) == (0, 0, {})


def test_a_log_without_sessions_is_refused(tmp_path: Path, catalog: Catalog) -> None:
    path = tmp_path / "events.csv"
    path.write_text("timestamp,query,item_id,event\n2026-01-01,jug,jug,click\n")
    with pytest.raises(DataError, match=r"events\.csv: there is no column `session_id`"):
        read_events(path, catalog, ClickConfig())


def test_counted_pairs_are_added_up_over_spellings(tmp_path: Path, catalog: Catalog) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text(
        "query,item_id,clicks,orders\nRed jug,jug,3,1\nred  jug,jug,2,\n"
        ",jug,4,0\nred,gone,5,1\nred,vase,0,0\n"
    )
    log = read_clicks(path, catalog, ClickConfig())
    assert [(click.query, click.item_id, click.clicks, click.orders) for click in log] == [
        ("red jug", "jug", 5, 1)
    ]
    assert log.left_out == {"empty query": 4, "unknown item": 6}
    assert log.events == 16


def test_counted_pairs_need_no_orders(tmp_path: Path, catalog: Catalog) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text("query,item_id,clicks\njug,jug,3\n")
    assert read_clicks(path, catalog, ClickConfig())[0].clicks == 3


@pytest.mark.parametrize("count", ["-1", "many", "1.5", ""])
def test_a_count_that_is_none_is_refused(tmp_path: Path, catalog: Catalog, count: str) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text(f"query,item_id,clicks,orders\njug,jug,{count},0\n")
    with pytest.raises(DataError, match=r"clicks\.csv, row 1, clicks: "):
        read_clicks(path, catalog, ClickConfig())


def test_counted_pairs_have_no_dates_to_choose_by(tmp_path: Path, catalog: Catalog) -> None:
    path = tmp_path / "clicks.csv"
    path.write_text("query,item_id,clicks,orders\njug,jug,1,0\n")
    with pytest.raises(ConfigError, match="has no timestamps"):
        read_clicks(path, catalog, ClickConfig(since=datetime(2026, 1, 1)))
