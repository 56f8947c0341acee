"""BM25 over a catalogue's words."""

from __future__ import annotations

import math
from pathlib import Path

import bm25s
import numpy as np
import polars as pl
import pytest

from smar.data.catalog import Catalog
from smar.data.judgments import Qrels, read_queries
from smar.errors import ConfigError, DataError, MismatchError, ModelError, QueryError
from smar.evaluation.evaluate import Retriever, evaluate
from smar.retrieval.lexical import BM25, BM25Config

ROWS = [
    ("i1", "Striped navy jumper", "Fjord", "Knitwear", "Warm wool with stripes"),
    ("i2", "Navy boots", "Fjord", "Shoes", None),
    ("i3", "Garden lamp", None, "Lighting", "A lamp for the path"),
    ("i4", "Desk lamp", None, "Lighting", None),
    ("i6", "Oak desk", None, None, None),
    ("i5", "Oak desk", None, None, None),
]


def catalog(rows: list[tuple[str, str, str | None, str | None, str | None]] = ROWS) -> Catalog:
    names = ["item_id", "title", "brand", "category", "description"]
    table = pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")
    return Catalog.from_table(table.with_columns(price=pl.lit(1.0)), Path("shop"))


@pytest.fixture(scope="module")
def lexical() -> BM25:
    return BM25.build(catalog())


def found(retriever: BM25, query: str, k: int = 10) -> list[str]:
    return [item_id for item_id, _ in retriever.rank([query], k)[0]]


def test_words_of_every_field_are_found(lexical: BM25) -> None:
    assert found(lexical, "jumper") == ["i1"]
    assert set(found(lexical, "fjord")) == {"i1", "i2"}
    assert set(found(lexical, "lighting")) == {"i3", "i4"}
    assert found(lexical, "wool") == ["i1"]


def test_case_endings_and_stopwords_do_not_matter(lexical: BM25) -> None:
    assert lexical.rank(["the BOOT"], 10) == lexical.rank(["boots"], 10)
    assert found(lexical, "boots") == ["i2"]


def test_a_query_of_no_known_word_finds_nothing(lexical: BM25) -> None:
    assert lexical.rank(["spaceship", "", "the of", "!?"], 10) == [[], [], [], []]


def test_items_that_share_no_word_are_never_returned(lexical: BM25) -> None:
    assert len(found(lexical, "lamp", k=100)) == 2


def test_equal_scores_are_ordered_by_item_id_also_at_the_cut(lexical: BM25) -> None:
    ranking = lexical.rank(["oak"], 10)[0]
    assert [item_id for item_id, _ in ranking] == ["i5", "i6"]
    assert ranking[0][1] == ranking[1][1]
    assert found(lexical, "oak", k=1) == ["i5"]


def test_the_best_k_are_a_prefix_of_the_best_k_and_one(lexical: BM25) -> None:
    query = "navy desk lamp oak stripes"
    for k in range(1, 7):
        assert lexical.rank([query], k + 1)[0][:k] == lexical.rank([query], k)[0]


def test_the_order_of_a_querys_words_changes_nothing() -> None:
    # Item n has the words 0 to n, so each word weighs something else, and another order rounds otherwise.
    words = [f"word{number}" for number in range(12)]
    stairs = BM25.build(
        catalog([(f"i{n:02}", " ".join(words[: n + 1]), None, None, None) for n in range(12)])
    )
    forwards, backwards = " ".join(words), " ".join(reversed(words))
    assert stairs.rank([forwards], 12) == stairs.rank([backwards], 12)


def test_queries_are_ranked_each_for_itself(lexical: BM25) -> None:
    assert lexical.rank(["lamp", "oak"], 5) == [*lexical.rank(["lamp"], 5), *lexical.rank(["oak"], 5)]


def test_only_allowed_rows_are_returned_and_as_many_as_there_are(lexical: BM25) -> None:
    allowed = np.array([False, True, True, False, False, True])
    rows, scores = lexical.rank_rows("navy lamp oak", 10, allowed)
    assert set(rows.tolist()) == {1, 2, 5}
    assert sorted(scores, reverse=True) == scores.tolist()


def test_scores_follow_the_formula() -> None:
    plain = BM25.build(catalog(), BM25Config(fields=("title",), k1=1.2, b=0.5))
    # `lamp` is in 2 of 6 titles; the title of i4 has 2 words, the mean is (3 + 2 + 2 + 2 + 2 + 2) / 6.
    idf = math.log(1 + (6 - 2 + 0.5) / (2 + 0.5))
    expected = idf * 1 / (1 + 1.2 * (0.5 + 0.5 * 2 / (13 / 6)))
    assert plain.scores("lamp")[3] == pytest.approx(expected, rel=1e-6)


def test_a_query_weighs_what_its_words_do(lexical: BM25) -> None:
    for query in ("navy lamps", "lamp, a navy lamp", "oak desk unheard", "boots boots boots"):
        assert 0 < lexical.scores(query).max() < lexical.weight(query)
    assert lexical.weight("a navy lamp") == pytest.approx(lexical.rarity("navi") + lexical.rarity("lamp"))
    assert lexical.weight("unheard") > lexical.weight("lamp") > 0
    assert lexical.weight("the ...") == 0


def test_scores_are_those_of_bm25s_itself(lexical: BM25) -> None:
    texts = ["striped navy jumper", "navy boots", "garden lamp", "desk lamp", "oak desk", "oak desk"]
    plain = BM25.build(catalog(), BM25Config(fields=("title",), stemmer="none", remove_stopwords=False))
    theirs = bm25s.BM25()
    theirs.index([text.split() for text in texts], show_progress=False)
    assert plain.scores("navy desk lamp") == pytest.approx(theirs.get_scores(["navy", "desk", "lamp"]))


def test_stems_and_stopwords_can_be_kept() -> None:
    plain = BM25.build(catalog(), BM25Config(stemmer="none", remove_stopwords=False))
    assert found(plain, "boot") == []
    assert found(plain, "the") == ["i3"]


def test_a_further_text_column_can_be_searched() -> None:
    table = catalog().table.with_columns(colour=pl.lit("teal"))
    with_colour = BM25.build(Catalog.from_table(table, Path("shop")), BM25Config(fields=("title", "colour")))
    assert len(found(with_colour, "teal")) == 6


def test_a_saved_index_is_loaded_the_same(lexical: BM25, tmp_path: Path) -> None:
    lexical.save(tmp_path / "bm25")
    loaded = BM25.load(tmp_path / "bm25", catalog())
    assert loaded.config == lexical.config
    assert len(loaded) == 6
    assert loaded.rank(["navy lamp", "nothing"], 5) == lexical.rank(["navy lamp", "nothing"], 5)
    assert {path.suffix for path in (tmp_path / "bm25").iterdir()} == {".npy", ".json"}


def test_an_index_of_another_catalogue_is_refused(lexical: BM25, tmp_path: Path) -> None:
    lexical.save(tmp_path / "bm25")
    with pytest.raises(MismatchError, match="made for catalogue"):
        BM25.load(tmp_path / "bm25", catalog(ROWS[:-1]))


@pytest.mark.parametrize("name", ["about.json", "data.csc.index.npy", "vocab.index.json"])
def test_a_broken_index_is_refused(lexical: BM25, tmp_path: Path, name: str) -> None:
    lexical.save(tmp_path / "bm25")
    (tmp_path / "bm25" / name).write_bytes(b"")
    with pytest.raises(ModelError, match="holds no readable BM25 index"):
        BM25.load(tmp_path / "bm25", catalog())
    (tmp_path / "bm25" / name).unlink()
    with pytest.raises(ModelError, match="holds no readable BM25 index"):
        BM25.load(tmp_path / "bm25", catalog())


def test_a_k_below_one_is_refused(lexical: BM25) -> None:
    with pytest.raises(QueryError, match="k = 0"):
        lexical.rank(["lamp"], 0)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [(("colour",), "no column `colour`"), (("price",), "`price` holds no text"), ((), "none is named")],
)
def test_fields_that_hold_no_text_are_refused(fields: tuple[str, ...], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        BM25.build(catalog(), BM25Config(fields=fields))


def test_a_catalogue_without_words_is_refused() -> None:
    with pytest.raises(DataError, match="no item has a word in brand"):
        BM25.build(catalog(ROWS[2:4]), BM25Config(fields=("brand",)))


def test_bm25_can_be_evaluated_on_a_real_shop(mart: Path) -> None:
    retriever: Retriever = BM25.build(Catalog.read(mart))
    queries = read_queries(mart / "queries.dev.parquet")[::8]
    report = evaluate(retriever, queries, Qrels.read(mart / "qrels.dev.parquet"), ["R@50"])
    assert report.name == "BM25"
    assert report.unjudged == 0
    # Wide bounds: this guards against a broken tokenizer or a wrong field, not the third digit.
    assert 0.42 < report["R@50"] < 0.62
    assert report.by_department["fashion"]["R@50"] < report.by_department["home-improvement"]["R@50"]
