"""`smar count` on one machine: what it writes is a table that a shop can have, and it says what it left out."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from smar.cli import app
from smar.data.shop import Shop
from smar.errors import ConfigError, DataError, SmarError


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    pl.DataFrame({"item_id": ["jug", "vase"], "title": ["Jug", "Vase"]}).write_parquet(
        folder / "items.parquet"
    )
    return folder


def events(**changes: list[object]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "timestamp": [1_700_000_000] * 5,
            "session_id": ["a", "a", "b", "b", "c"],
            "query": ["Red  JUG", "red jug", "red jug", "blue", " "],
            "item_id": ["jug", "jug", "jug", "vase", "gone"],
            "event": ["click", "click", "order", "click", "click"],
        }
        | changes
    )


def count(*arguments: object) -> str:
    done = CliRunner().invoke(app, ["count", *map(str, arguments)], env={"SMAR_RAY": None})
    if done.exception is not None:
        raise done.exception
    return done.stdout


def test_a_log_becomes_the_table_that_a_shop_can_have_instead(tmp_path: Path, shop: Path) -> None:
    events().write_parquet(tmp_path / "log.parquet")
    out = shop / "clicks.parquet"
    said = count(tmp_path / "log.parquet", out, "--shop", shop)
    assert said == (
        f"{out}: 2 pairs of 2 queries, from 5 events\nevents left out: 1 empty query, 1 repeated in a session\n"
    )
    assert pl.read_parquet(out).rows() == [("blue", "vase", 1, 0), ("red jug", "jug", 1, 1)]
    log = Shop.open(shop).clicks()
    assert [(one.query, one.item_id, one.clicks, one.orders) for one in log] == pl.read_parquet(out).rows()


def test_a_folder_of_parquet_files_is_one_log_whatever_types_they_have(tmp_path: Path, shop: Path) -> None:
    log = tmp_path / "log"
    (log / "day=1").mkdir(parents=True)
    (log / "_temporary").mkdir()
    events().write_parquet(log / "day=1" / "a.parquet")
    events(timestamp=["2026-01-02"] * 5).with_columns(extra=1).write_parquet(log / "b.parquet")
    events(session_id=["d"] * 5).write_parquet(log / "_temporary" / "c.parquet")
    (log / "_SUCCESS").touch()
    count(log, tmp_path / "whole.parquet", "--shop", shop)
    both = pl.concat([events(), events(timestamp=[1_767_312_000] * 5)])
    both.write_csv(tmp_path / "both.csv")
    count(tmp_path / "both.csv", tmp_path / "one.parquet", "--shop", shop)
    whole = pl.read_parquet(tmp_path / "whole.parquet")
    assert len(whole) == 2
    assert whole.equals(pl.read_parquet(tmp_path / "one.parquet"))


def test_judged_queries_are_counted_and_left_out_when_training_reads_the_table(
    tmp_path: Path, shop: Path
) -> None:
    pl.DataFrame({"query_id": ["1"], "query": ["blue"]}).write_parquet(shop / "queries.dev.parquet")
    events().write_parquet(tmp_path / "log.parquet")
    out = shop / "clicks.parquet"
    count(tmp_path / "log.parquet", out, "--shop", shop)
    assert len(pl.read_parquet(out)) == 2
    assert Shop.open(shop).clicks().left_out == {"judged query": 1}


@pytest.mark.parametrize(
    ("log", "out", "error", "said"),
    [
        ("log.parquet", "clicks.csv", ConfigError, r"clicks\.csv: is not the name of a \.parquet file"),
        ("s3://logs/events", "clicks.parquet", ConfigError, r"s3://logs/events: is no file"),
        ("log.parquet", "s3://logs/clicks.parquet", ConfigError, r"s3://logs/clicks\.parquet: is no file"),
        ("none.parquet", "clicks.parquet", DataError, r"none\.parquet"),
        ("empty", "clicks.parquet", DataError, "empty: has no Parquet file"),
        ("short.parquet", "clicks.parquet", DataError, r"short\.parquet: there is no column `session_id`"),
    ],
)
def test_what_cannot_be_counted_is_refused_and_nothing_written(
    tmp_path: Path,
    shop: Path,
    monkeypatch: pytest.MonkeyPatch,
    log: str,
    out: str,
    error: type[SmarError],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    events().write_parquet("log.parquet")
    events().drop("session_id").write_parquet("short.parquet")
    Path("empty").mkdir()
    with pytest.raises(error, match=said):
        count(log, out, "--shop", shop)
    assert not Path(out).exists()
