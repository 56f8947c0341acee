from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from retrieval_fakes import WordModel, little_catalog
from smar.data.catalog import Catalog
from smar.errors import DataError, MismatchError, QueryError
from smar.retrieval.engine import ImageMode, SearchEngine
from smar.retrieval.generations import current, prune
from smar.retrieval.index import IndexConfig
from smar.retrieval.indexes import ItemIndexes
from smar.retrieval.publishing import write_generation
from smar.retrieval.results import SearchResult
from smar.retrieval.vectors import ItemVectors

MODEL = WordModel()


@pytest.fixture
def engine() -> SearchEngine:
    return SearchEngine.build(MODEL, little_catalog())


def ids(result: SearchResult) -> list[str]:
    return [hit.item.item_id for hit in result]


def test_the_item_that_says_the_same_comes_first_with_rank_and_score(engine: SearchEngine) -> None:
    first = engine.search("USB   cable", k=3).hits[0]
    assert (first.rank, first.item.item_id, first.item.title) == (1, "b1", "usb cable")
    assert first.score == pytest.approx(1)


def test_a_query_too_long_to_be_read_is_said(engine: SearchEngine) -> None:
    assert not engine.search("navy jumper").is_cut
    assert engine.search("navy jumper " * 16).is_cut


def test_items_that_say_the_same_come_in_the_order_of_their_ids(engine: SearchEngine) -> None:
    assert ids(engine.search("wool jumper", k=2, image="never")) == ["a2", "a3"]


def test_the_gate_decides_which_vectors_a_query_meets(engine: SearchEngine) -> None:
    visual, plain = engine.search_many(["red floral jumper", "wool jumper"], k=2)
    assert [visual.vectors, plain.vectors] == ["multimodal", "text"]
    assert [visual.gate, plain.gate] == pytest.approx([0.9, 0.1])
    assert ids(visual)[0] == "a3"
    assert visual.hits == engine.search("red floral jumper", k=2, image="always").hits
    assert plain.hits == engine.search("wool jumper", k=2, image="never").hits


def test_a_gate_at_the_threshold_counts_as_visual() -> None:
    model = WordModel(gate_threshold=float(np.float32(0.9)))
    assert SearchEngine.build(model, little_catalog()).search("red").vectors == "multimodal"


def test_a_soft_score_is_the_mean_of_both_scores_weighted_by_the_gate(engine: SearchEngine) -> None:
    for query in ("red floral jumper", "wool jumper"):
        soft = engine.search(query, k=6, image="soft")
        by_mode = {
            mode: {hit.item.item_id: hit.score for hit in engine.search(query, k=6, image=mode)}
            for mode in ("always", "never")
        }
        for hit in soft:
            item_id = hit.item.item_id
            expected = soft.gate * by_mode["always"][item_id] + (1 - soft.gate) * by_mode["never"][item_id]
            assert hit.score == pytest.approx(expected, abs=1e-6)
        assert soft.vectors == "soft"


def test_a_batch_answers_as_single_searches_do(engine: SearchEngine) -> None:
    queries = ["navy jumper", "lamp", "red novel", "usb"] * 100
    modes: list[ImageMode] = ["auto", "always", "never", "soft"]
    for mode in modes:
        together = engine.search_many(queries, k=4, image=mode)
        assert len(together) == 400
        assert together[:4] == [engine.search(query, k=4, image=mode) for query in queries[:4]]
        assert together[396:] == together[:4]


def test_a_filter_keeps_what_it_says_and_as_many_as_there_are(engine: SearchEngine) -> None:
    found = engine.search("jumper", k=10, filters={"department": ["home", "books"], "price": {"max": 39}})
    assert ids(found) == ["c1"]
    assert len(engine.search("jumper", k=2, filters={"in_stock": True}, image="soft")) == 2
    assert len(engine.search("red jumper", filters={"brand": "nobody"})) == 0


def test_more_hits_than_items_gives_every_item(engine: SearchEngine) -> None:
    assert sorted(ids(engine.search("jumper", k=1000))) == engine.catalog.item_ids


def test_ranking_gives_ids_and_scores_for_an_evaluation(engine: SearchEngine) -> None:
    ranked = engine.rank(["usb cable", "red jumper"], k=3)
    found = engine.search_many(["usb cable", "red jumper"], k=3)
    assert ranked == [[(hit.item.item_id, hit.score) for hit in result] for result in found]


def test_a_view_with_another_image_mode_shares_everything_and_says_so_in_its_name(
    engine: SearchEngine,
) -> None:
    view = engine.with_image_mode("never")
    assert (engine.name, view.name) == ("smar", "smar (never)")
    assert view.indexes is engine.indexes
    assert view.search("red floral jumper").vectors == "text"
    assert engine.search("red floral jumper").vectors == "multimodal"


def test_a_search_that_cannot_be_is_refused(engine: SearchEngine) -> None:
    with pytest.raises(QueryError, match=r"query ' \\t' \(number 2\) is empty"):
        engine.search_many(["jumper", " \t"])
    with pytest.raises(QueryError, match="k = 0"):
        engine.search("jumper", k=0)
    with pytest.raises(QueryError, match="'sometimes': is no image mode; choose auto, always, never, soft"):
        engine.search("jumper", image="sometimes")  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="'colour': there is no such field"):
        engine.search("jumper", filters={"colour": "red"})


def test_no_queries_give_no_results(engine: SearchEngine) -> None:
    assert engine.search_many([]) == []


def test_a_result_prints_as_a_table(engine: SearchEngine) -> None:
    lines = str(engine.search("Usb Cable", k=1)).splitlines()
    assert lines == ["'Usb Cable': 1 hit, text vectors, gate 0.10", "   1  1.0000  usb cable  [electronics]"]


def test_a_result_is_a_sequence_of_its_hits(engine: SearchEngine) -> None:
    result = engine.search("jumper", k=3)
    assert list(result) == list(result.hits)
    assert result[-1] is result.hits[2]
    assert result[:2] == result.hits[:2]


def test_parts_that_do_not_belong_together_refuse_to_work_together() -> None:
    catalog = little_catalog()
    indexes = ItemIndexes.build(ItemVectors.build(MODEL, catalog), IndexConfig())
    with pytest.raises(
        MismatchError, match="filled by model word-model-one-24, this is model word-model-two-24"
    ):
        SearchEngine(WordModel(seed="two"), indexes, catalog)
    other = Catalog.from_table(catalog.table.with_columns(price=pl.lit(1.0)), catalog.folder)
    with pytest.raises(MismatchError, match="index this catalogue again"):
        SearchEngine(MODEL, indexes, other)


@pytest.mark.parametrize("kind", ["exact", "hnsw"])
def test_a_published_index_answers_as_the_one_in_memory_without_the_shop(kind: str, tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    catalog, config = little_catalog(shop), IndexConfig.check({"kind": kind, "ef_search": 4}, where="test")
    generation = write_generation(tmp_path / "run", MODEL, catalog, config)
    shutil.rmtree(shop)
    opened = SearchEngine.open(tmp_path / "run", MODEL)
    assert generation == current(tmp_path / "run" / "index")
    assert opened.catalog.image_path(0) == shop.resolve() / "photos/striped.jpg"
    memory = SearchEngine.build(MODEL, catalog, config)
    for mode in ("always", "never", "soft"):
        for k in (2, 6):
            assert opened.search("red wool", k, image=mode) == memory.search("red wool", k, image=mode)
    assert opened.search("lamp", filters={"sizes": "M"}) == memory.search("lamp", filters={"sizes": "M"})


def test_an_open_engine_keeps_answering_while_its_generation_is_replaced_and_pruned(tmp_path: Path) -> None:
    catalog = little_catalog()
    write_generation(tmp_path, MODEL, catalog)
    old = SearchEngine.open(tmp_path, MODEL)
    before = old.search("lamp")
    write_generation(tmp_path, WordModel(seed="two"), catalog)
    assert [generation.number for generation in prune(tmp_path / "index", keep=1)] == [1]
    assert old.search("lamp") == before
    with pytest.raises(MismatchError, match="filled by model word-model-two-24"):
        SearchEngine.open(tmp_path, MODEL)


def test_a_run_without_an_index_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no index; run `smar index SHOP"):
        SearchEngine.open(tmp_path, MODEL)


@pytest.mark.parametrize("name", ["manifest.json", "items.parquet", "vectors/text.npy", "text/index.json"])
def test_a_damaged_generation_is_named_and_not_searched(name: str, tmp_path: Path) -> None:
    file = write_generation(tmp_path, MODEL, little_catalog()).path / name
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(DataError, match=f"{file.name}: has .* the index is damaged, index the shop again"):
        SearchEngine.open(tmp_path, MODEL)


def test_a_generation_of_another_format_is_refused(tmp_path: Path) -> None:
    file = write_generation(tmp_path, MODEL, little_catalog()).path / "manifest.json"
    file.write_text(file.read_text().replace('"format": 3', '"format": 9'))
    with pytest.raises(DataError, match="has format 9"):
        SearchEngine.open(tmp_path, MODEL)
