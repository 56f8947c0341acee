"""Unknown words become the known ones that look most like them; known words, short ones and numbers stay."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_fakes import small_model, write_shop
from smar.data.catalog import Catalog
from smar.errors import DataError
from smar.retrieval.engine import SearchEngine
from smar.retrieval.publishing import write_generation
from smar.retrieval.spelling import FILE, Spelling

WORDS = {"trousers": 40, "black": 30, "blouse": 20, "block": 5, "bag": 50, "shirt": 9, "skirt": 4, "tile": 3}
spelling = Spelling(WORDS)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("balck", "black"),
        ("blck", "black"),
        ("blackk", "black"),
        ("bleck", "black"),
        ("truosesr", "trousers"),
        ("xhirt", "shirt"),
        ("black trouusers", "black trousers"),
    ],
)
def test_a_slip_becomes_the_word_that_was_meant(typed: str, meant: str) -> None:
    assert spelling.correct(typed) == meant


@pytest.mark.parametrize(
    "typed",
    ["bags", "shirts", "tiles", "blouses", "gab", "m8", "15x23", "8lack", "velvet", "bl ck", "", "b-lack"],
)
def test_what_is_known_or_short_or_a_number_or_far_stays(typed: str) -> None:
    assert spelling.correct(typed) == typed


def test_the_first_letter_counts_before_how_frequent_a_word_is() -> None:
    assert Spelling({"shirt": 2, "chirt": 900}).correct("shirr") == "shirt"
    assert Spelling({"black": 2, "block": 900}).correct("blqck") == "block"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("blacktrousers", "black trousers"),
        ("a blackbag", "a black bag"),
        ("blac ktrousers", "black trousers"),
        ("blackt rousers", "black trousers"),
        ("trous ers", "trousers"),
        ("b lack blouse", "black blouse"),
        ("red bl ouse bagblack", "red blouse bag black"),
    ],
)
def test_a_space_comes_goes_or_moves_where_that_leaves_frequent_words(typed: str, meant: str) -> None:
    assert spelling.correct(typed) == meant


@pytest.mark.parametrize(
    "typed",
    ["shirttile", "bl ock", "sh irt", "bag s", "velvetbag", "black7bag", "black- bag", "black  bag", " bag"],
)
def test_a_space_stays_where_it_is_beside_rare_words_known_ones_and_what_is_no_word(typed: str) -> None:
    assert spelling.correct(typed) == typed


def test_one_wrong_letter_is_more_likely_than_a_missing_space_and_that_more_than_two_letters() -> None:
    words = {"navy": 40, "dress": 90}
    assert Spelling({**words, "navidress": 1}).correct("navydress") == "navidress"
    assert Spelling({**words, "lacydress": 5}).correct("navydress") == "navy dress"
    assert Spelling({"navy": 9, "dress": 90, "lacydress": 5}).correct("navydress") == "lacydress"


@given(st.lists(st.text("abcdeé7", min_size=1, max_size=9), max_size=6).map(" ".join))
def test_to_correct_a_text_again_changes_nothing_and_rare_words_alone_move_no_space(text: str) -> None:
    some = Spelling({"abcd": 3, "abce": 1, "dada": 20, "eeeeeee": 8, "décade": 1, "abc": 30, "eda": 40})
    corrected = some.correct(text)
    assert some.correct(corrected) == corrected
    rare = Spelling({"abcd": 3, "abce": 1, "dada": 2})
    assert len(rare.correct(text).split(" ")) == len(text.split(" "))


def test_words_come_from_items_and_from_queries_that_were_clicked_three_times(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop")
    log = shop.clicks()
    rare = pl.DataFrame(
        {
            "query": ["zebra hat", "okapi hat"],
            "item_id": ["mug-red-0"] * 2,
            "clicks": [2, 3],
            "orders": 0,
            "weight": 1.0,
        },
        schema=log.table.schema,
    )
    found = Spelling.of(shop.catalog, replace(log, table=pl.concat([log.table, rare])))
    assert found.correct("shitr numbre") == "shirt number"
    assert found.correct("grren") == "green"
    assert found.correct("okapy") == "okapi"
    assert found.correct("zebre") == "zebre"


def test_words_of_more_items_stay_but_nothing_becomes_them(tmp_path: Path) -> None:
    more = Catalog.from_table(pl.DataFrame({"item_id": ["x"], "title": ["Blacke velvet"]}), tmp_path)
    knowing = spelling.knowing(more)
    assert knowing.correct("blacke velvets balck") == "blacke velvets black"
    assert knowing.correct("velvt") == "velvt"
    assert spelling.correct("blacke") == "black"


def test_words_are_kept_on_disk(tmp_path: Path) -> None:
    assert Spelling.read(tmp_path) is None
    spelling.write(tmp_path)
    again = Spelling.read(tmp_path)
    assert again is not None
    assert again.correct("balck truosesr velvet") == "black trousers velvet"
    (tmp_path / FILE).write_bytes(b"nothing")
    with pytest.raises(DataError, match="index the shop again"):
        Spelling.read(tmp_path)


def test_an_engine_searches_for_the_word_that_was_meant_and_says_so(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", copies=1)
    model = small_model(cache=tmp_path / "cache")
    write_generation(tmp_path / "run", model, shop.catalog, log=shop.clicks())
    engine = SearchEngine.open(tmp_path / "run", model)
    meant, slip = engine.search("red shirt", 5), engine.search("Red shrit", 5)
    assert (slip.query, slip.searched) == ("Red shrit", "red shirt")
    assert slip.hits == meant.hits
    assert "searched for 'red shirt'" in str(slip)
    assert "searched for" not in str(meant)
    assert engine.rank(["red shrit"], 5) == engine.rank(["red shirt"], 5)
    typed = engine.as_typed().search("Red shrit", 5)
    assert typed.searched == "red shrit"
    assert typed.hits != meant.hits
    assert SearchEngine.build(model, shop.catalog).search("red shrit").searched == "red shrit"


def test_words_that_are_replaced_are_gone_at_once() -> None:
    spelling = Spelling({"velvet": 3})
    assert spelling.correct("velvt") == "velvet"
    gone = weakref.ref(spelling)
    gc.disable()
    try:
        del spelling
        assert gone() is None
    finally:
        gc.enable()
