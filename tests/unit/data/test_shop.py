from __future__ import annotations

from pathlib import Path

import pytest

from smar.data.clicks import ClickConfig, normalise_query
from smar.data.shop import Shop
from smar.errors import DataError

EVENTS = """timestamp,session_id,user_id,query,item_id,position,event
2026-01-01T00:00:00,s1,u1,Red jug,a,1,click
2026-01-01T00:00:09,s1,u1,Red jug,a,1,order
2026-01-01T00:01:00,s2,u2,tall VASE,b,2,click
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "items.csv").write_text("item_id,title\na,Jug\nb,Vase\n")
    (tmp_path / "events.csv").write_text(EVENTS)
    (tmp_path / "queries.dev.tsv").write_text("q1\tTall vase\n")
    (tmp_path / "qrels.dev.trec").write_text("q1 0 b 1\n")
    return tmp_path


def test_a_shop_opens_with_its_parts(folder: Path) -> None:
    shop = Shop.open(str(folder))
    assert len(shop.catalog) == 2
    assert shop.splits == ["dev"]
    assert [query.text for query in shop.queries("dev")] == ["Tall vase"]
    assert dict(shop.qrels("dev")) == {"q1": {"b": 1}}


def test_judged_queries_are_not_trained_on_unless_asked_for(folder: Path) -> None:
    shop = Shop.open(folder)
    log = shop.clicks()
    assert log.queries == ["red jug"]
    assert log.left_out == {"judged query": 1}
    assert shop.clicks(ClickConfig(leave_out_judged=False)).queries == ["red jug", "tall vase"]


def test_a_shop_may_bring_its_clicks_counted(folder: Path) -> None:
    (folder / "events.csv").unlink()
    (folder / "clicks.csv").write_text("query,item_id,clicks,orders\nJug,a,4,1\n")
    assert [(click.clicks, click.orders) for click in Shop.open(folder).clicks()] == [(4, 1)]


def test_two_logs_are_refused(folder: Path) -> None:
    (folder / "clicks.csv").write_text("query,item_id,clicks,orders\n")
    with pytest.raises(DataError, match=r"events\.csv and clicks\.csv"):
        Shop.open(folder).clicks()


def test_a_shop_without_a_log_opens_and_refuses_to_give_clicks(folder: Path) -> None:
    (folder / "events.csv").unlink()
    with pytest.raises(DataError, match="no events and no clicks table"):
        Shop.open(folder).clicks()


def test_an_unknown_split_is_refused_with_those_there_are(folder: Path) -> None:
    with pytest.raises(DataError, match=r"has no queries\.test.*splits there are: dev"):
        Shop.open(folder).queries("test")
    with pytest.raises(DataError, match=r"has no qrels\.test"):
        Shop.open(folder).qrels("test")


def test_a_missing_folder_or_catalogue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no folder"):
        Shop.open(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"has no items\.parquet"):
        Shop.open(tmp_path)


def test_an_image_that_is_missing_does_not_keep_a_shop_closed(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id,title,image\na,Jug,images/none.jpg\n")
    assert Shop.open(tmp_path).catalog.image_path(0) == tmp_path / "images" / "none.jpg"


def test_the_fingerprint_follows_every_table(folder: Path) -> None:
    before = Shop.open(folder).fingerprint
    assert Shop.open(folder).fingerprint == before
    (folder / "qrels.dev.trec").write_text("q1 0 b 2\n")
    after = Shop.open(folder).fingerprint
    assert after != before
    (folder / "events.csv").write_text(EVENTS + "2026-01-02,s3,u1,jug,a,1,click\n")
    assert Shop.open(folder).fingerprint not in (before, after)


def test_the_mart_gives_its_clicks_and_no_judged_query(mart: Path) -> None:
    shop = Shop.open(mart)
    log = shop.clicks()
    used = sum(click.clicks + click.orders for click in log)
    assert len(shop.catalog) == 70_121
    assert log.events == 113_124 == used + sum(log.left_out.values())
    assert 13_000 < len(log.queries) < 13_200
    judged = {normalise_query(query.text) for query in shop.queries("dev")}
    assert not judged & set(log.queries)
    assert len(shop.qrels("dev")) == len(shop.queries("dev")) == 1921
