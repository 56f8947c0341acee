"""How runs are named, and how they are judged."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from smar.data.shop import Shop
from smar.errors import ConfigError, DataError, ModelError, QueryError
from smar.experiment.judging import Contender, JudgedQueries, contenders, judge
from smar.retrieval.engine import image_mode


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    folder = tmp_path / "shop"
    folder.mkdir()
    titles = ["Navy jumper", "Red dress", "USB cable", "HDMI cable"]
    pl.DataFrame({"item_id": ["a", "b", "c", "d"], "title": titles}).write_csv(folder / "items.csv")
    pl.DataFrame({"query_id": ["q1", "q2"], "query": ["jumper", "usb cable"]}).write_csv(
        folder / "queries.dev.csv"
    )
    grades = pl.DataFrame({"query_id": ["q1", "q2"], "item_id": ["a", "c"], "grade": [1, 1]})
    grades.write_csv(folder / "qrels.dev.csv")
    return Shop.open(folder)


def test_a_run_is_called_by_its_folder_and_its_mode() -> None:
    found = contenders(["runs/mart", "runs/mart:never", "bm25"])
    assert found == [
        Contender("runs/mart", None, "mart"),
        Contender("runs/mart", "never", "mart:never"),
        Contender("bm25", None, "BM25"),
    ]


def test_runs_of_the_same_last_name_are_called_by_their_paths() -> None:
    assert [one.name for one in contenders(["a/mart", "b/mart", "c/other"])] == ["a/mart", "b/mart", "other"]


def test_modes_multiply_runs_that_name_none() -> None:
    found = contenders(["runs/mart", "runs/text:never", "bm25"], ["auto", "soft"])
    assert [one.name for one in found] == ["mart:auto", "mart:soft", "text:never", "BM25"]


def test_what_is_named_twice_is_judged_once() -> None:
    assert len(contenders(["runs/mart", "runs/mart/"])) == 1


def test_a_word_after_a_colon_that_is_no_mode_belongs_to_the_path() -> None:
    assert contenders(["runs/mart:best"])[0] == Contender("runs/mart:best", None, "mart:best")


def test_naming_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing to judge"):
        contenders([])


def test_an_unknown_image_mode_is_refused() -> None:
    assert image_mode("soft") == "soft"
    with pytest.raises(QueryError, match="choose auto, always, never, soft"):
        image_mode("sometimes")


def test_words_and_their_own_run_file_are_judged_alike(shop: Shop, tmp_path: Path) -> None:
    queries = JudgedQueries.read(shop, "dev")
    (words,) = judge(contenders(["bm25"]), shop, queries, ["R@1", "nDCG@3"])
    assert words.report["R@1"] == 1
    assert words.run.depth == 2
    words.run.write(tmp_path / "words.trec")
    (again,) = judge(contenders([str(tmp_path / "words.trec")]), shop, queries, ["R@1", "nDCG@3"])
    assert again.report.name == "words.trec"
    assert again.report.overall.means == words.report.overall.means


def test_queries_and_qrels_may_lie_anywhere_but_come_together(shop: Shop, tmp_path: Path) -> None:
    files = shop.folder / "queries.dev.csv", shop.folder / "qrels.dev.csv"
    assert JudgedQueries.read(shop, "none", *files).queries == shop.queries("dev")
    with pytest.raises(ConfigError, match="one is given without the other"):
        JudgedQueries.read(shop, "dev", queries=files[0])
    with pytest.raises(DataError, match="is no file"):
        JudgedQueries.read(shop, "dev", files[0], tmp_path / "none.csv")


def test_a_folder_that_is_no_run_is_refused(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is no run"):
        judge(contenders([str(tmp_path)]), shop, JudgedQueries.read(shop, "dev"), ["R@1"])
