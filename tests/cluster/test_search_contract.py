"""What a search engine promises, kept alike by indexes in this process and by those in a cluster."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.conftest import ADDRESS
from retrieval_fakes import WordModel
from smar.data.catalog import Catalog
from smar.retrieval.engine import IMAGE_MODES, ImageMode, SearchEngine
from smar.retrieval.engines.milvus.address import MilvusAddress
from smar.retrieval.filters import FilterValue
from smar.retrieval.index import IndexConfig
from smar.retrieval.publishing import write_generation
from smar.retrieval.selection import Selection

MODEL = WordModel(dim=32)
QUERIES = ["red jumper", "usb cable", "navy striped dress", "lamp", "green wool sock", "nothing like it"]
KINDS = ("exact", "hnsw", "ivf")
ENGINES = [
    *(pytest.param(f"faiss {kind}") for kind in KINDS),
    *(pytest.param(f"milvus {kind}", marks=pytest.mark.cluster) for kind in KINDS),
]
MILVUS = [engine for engine in ENGINES if "milvus" in engine.values[0]]


@cache
def shop() -> Catalog:
    """1,500 items of few words: many say the same, some have photos, most columns have empty cells."""
    random = np.random.default_rng(7)
    count = 1_500
    colours, things = ["red", "navy", "green", "black"], ["jumper", "dress", "sock", "lamp", "usb cable"]
    makes = ["wool", "striped", "floral", "plain", "long", "short", "old", "new"]
    words = [[str(random.choice(part)) for part in (colours, makes, things)] for _ in range(count)]
    has = random.random((6, count)) < 0.8
    brands = ["H&M", 'say "hi"', "back\\slash", "Ünï", "new\nline", ""]
    table = pl.DataFrame(
        {
            "item_id": [f"i{place:05}" for place in range(count)],
            "title": [" ".join(of_item) for of_item in words],
            "brand": [str(random.choice(brands)) if yes else None for yes in has[0]],
            "department": [of_item[2] for of_item in words],
            "image": [
                f"photos/{of_item[0]}-{of_item[1]}.jpg" if yes else None
                for of_item, yes in zip(words, has[1], strict=True)
            ],
            "price": [round(float(random.uniform(1, 90)), 2) if yes else None for yes in has[2]],
            "in_stock": [bool(random.random() < 0.5) if yes else None for yes in has[3]],
            "sizes": [list(random.choice(["S", "M", "L"], 2)) if yes else None for yes in has[4]],
            "weight": pl.Series(random.integers(1, 30, count) / 10, dtype=pl.Float32),
            "pages": [int(random.integers(1, 9)) if yes else None for yes in has[5]],
        }
    )
    return Catalog.from_table(table, Path("shop"))


@pytest.fixture(scope="module")
def open_engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], SearchEngine]:
    @cache
    def opened(name: str) -> SearchEngine:
        place, kind = name.split()
        address = None
        if place == "milvus":
            request.getfixturevalue("milvus")
            address = MilvusAddress.parse(f"{ADDRESS}?replicas=2&name=contract_{kind}")
        run = tmp_path_factory.mktemp(kind)
        config = IndexConfig.check({"kind": kind, "lists": 30, "probes": 25}, where="test")
        write_generation(run, MODEL, shop(), config, cluster=address)
        return SearchEngine.open(run, MODEL, address).as_typed()

    return opened


@pytest.fixture
def engine(request: pytest.FixtureRequest, open_engine: Callable[[str], SearchEngine]) -> SearchEngine:
    return open_engine(request.param)


@cache
def exact() -> SearchEngine:
    return SearchEngine.build(MODEL, shop())


def found(engine: SearchEngine, k: int, filters: dict[str, FilterValue] | None, image: ImageMode) -> list:
    return [
        [(hit.item.item_id, hit.score) for hit in result.hits]
        for result in engine.search_many(QUERIES, k, filters, image)
    ]


def assert_same_hits(ours: list, theirs: list) -> None:
    """The same scores in the same order; the same items, but for those that are as good as the last."""
    for one, other in zip(ours, theirs, strict=True):
        scores, expected = ([score for _, score in hits] for hits in (one, other))
        assert scores == pytest.approx(expected, abs=2e-6)
        last = expected[-1] if expected else 0
        sure = [{item for item, score in hits if score > last + 4e-6} for hits in (one, other)]
        assert sure[0] == sure[1]


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.parametrize("image", IMAGE_MODES)
def test_the_best_items_come_first_whatever_vectors_are_searched(
    engine: SearchEngine, image: ImageMode
) -> None:
    assert_same_hits(found(engine, 40, None, image), found(exact(), 40, None, image))


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_items_that_say_the_same_come_in_the_order_of_their_ids(engine: SearchEngine) -> None:
    for hits in found(engine, 40, None, "auto"):
        pairs = [(-round(score, 5), item) for item, score in hits]
        assert pairs == sorted(pairs)


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.parametrize("image", ["always", "never"])
def test_a_shorter_search_begins_a_longer_one(engine: SearchEngine, image: ImageMode) -> None:
    longest = found(engine, 100, None, image)
    for k in (1, 2, 10, 33, 99):
        assert found(engine, k, None, image) == [hits[:k] for hits in longest]


FILTERS: list[dict[str, FilterValue]] = [
    {"brand": "H&M"},
    {"brand": ['say "hi"', "back\\slash", "new\nline"]},
    {"brand": "", "in_stock": False},
    {"price": {"min": 20, "max": 60.5}},
    {"price": {"max": 5}},
    {"weight": 0.3},
    {"weight": {"min": 0.7}},
    {"pages": [1, 2, 3.0]},
    {"sizes": "S"},
    {"sizes": ["M", "L"], "in_stock": True},
    {"department": ["sock", "lamp"], "price": {"min": 3}},
    {"brand": "nobody"},
    {"title": "red wool sock"},
    {"item_id": "i00003"},
]


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_a_filter_lets_through_what_it_says_and_all_of_it(
    engine: SearchEngine, filters: dict[str, FilterValue]
) -> None:
    for k in (5, 120):
        assert_same_hits(found(engine, k, filters, "auto"), found(exact(), k, filters, "auto"))


conditions = st.fixed_dictionaries(
    {},
    optional={
        "brand": st.sampled_from(["H&M", 'say "hi"', "back\\slash", "Ünï", "new\nline", "", "\x00", "x"]),
        "price": st.fixed_dictionaries(
            {}, optional={"min": st.floats(-5, 50), "max": st.floats(50, 99)}
        ).filter(bool),
        "in_stock": st.booleans(),
        "sizes": st.lists(st.sampled_from(["S", "M", "L", "XL"]), min_size=1, max_size=2),
        "weight": st.sampled_from([0.1, 0.3, 2.9, 1]),
        "pages": st.lists(st.integers(-1, 10), min_size=1, max_size=5),
    },
)


@pytest.mark.cluster
@settings(max_examples=60, deadline=None)
@given(
    passing=conditions,
    failing=st.lists(conditions.filter(bool), max_size=2),
    hidden=st.lists(st.integers(0, 1499), max_size=20),
)
def test_every_selection_is_the_same_in_a_cluster(
    open_engine: Callable[[str], SearchEngine],
    passing: dict[str, FilterValue],
    failing: list[dict[str, FilterValue]],
    hidden: list[int],
) -> None:
    selection = Selection.of(shop(), passing).failing_all(*(Selection.of(shop(), one) for one in failing))
    selection = selection.without(np.array(hidden, np.int64))
    embedded = MODEL.embed_queries(["red jumper", "old lamp"])
    ours, theirs = (
        [
            list(zip(one.rows.tolist(), one.scores.tolist(), strict=True))
            for one in of.nearest(embedded, 60, selection)
        ]
        for of in (open_engine("milvus exact"), exact())
    )
    assert_same_hits(ours, theirs)
    assert all(selection.flags[row] for hits in ours for row, _ in hits)


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_hidden_items_are_never_found(engine: SearchEngine) -> None:
    embedded = MODEL.embed_queries(QUERIES)
    everything = Selection.of(shop())
    first = engine.nearest(embedded, 10, everything)
    gone = np.unique(np.concatenate([one.rows for one in first]))
    for one, before in zip(engine.nearest(embedded, 10, everything.without(gone)), first, strict=True):
        assert not set(one.rows) & set(gone)
        assert len(one.rows) == 10
        assert one.coverage == 1
        assert one.scores[0] <= before.scores[0]


@pytest.mark.parametrize("engine", MILVUS, indirect=True)
def test_vectors_photos_and_text_scores_are_those_that_were_indexed(engine: SearchEngine) -> None:
    rows = np.array([3, 700, 1499, 3])
    for ours, theirs in zip(engine.indexes.vectors_of(rows), exact().indexes.vectors_of(rows), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
    assert [engine.indexes.has_image(row) for row in rows] == [exact().indexes.has_image(row) for row in rows]
    query = MODEL.embed_queries(["wool sock"]).vectors[0]
    scores = []
    for of in (engine, exact()):
        found, coverage = of.indexes.best_text_scores(query, Selection.of(shop()))
        assert coverage == 1
        scores.append(np.sort(found))
    np.testing.assert_allclose(*scores, atol=2e-6)


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
def test_all_items_can_be_asked_for_and_none_twice(engine: SearchEngine) -> None:
    result = engine.search("wool", 5_000)
    assert len({hit.item.item_id for hit in result}) == len(result) == 1_500
    assert result.coverage == 1


@pytest.mark.parametrize("engine", MILVUS, indirect=True)
def test_rows_that_cannot_be_named_one_by_one_are_left_out_afterwards(engine: SearchEngine) -> None:
    most = np.arange(0, 1_500)[np.arange(1_500) % 4 != 0]
    selection = Selection.of(shop()).without(most[: len(most) - 60])
    wide = Selection(selection.flags | True, passing=({"title": "x"},))
    told = Selection(np.arange(1_500) < 1_200, passing=({"title": "not known there"},))
    embedded = MODEL.embed_queries(QUERIES)
    for asked in (selection, wide, told):
        for one, other in zip(
            engine.nearest(embedded, 50, asked), exact().nearest(embedded, 50, asked), strict=True
        ):
            assert one.scores == pytest.approx(other.scores, abs=2e-6)
            assert asked.flags[one.rows].all()
            assert one.coverage == 1


@pytest.mark.parametrize("engine", MILVUS, indirect=True)
def test_soft_hits_that_are_as_good_come_in_the_order_of_their_ids(engine: SearchEngine) -> None:
    for hits in found(engine, 60, None, "soft"):
        pairs = [(-score, item) for item, score in hits]
        assert pairs == sorted(pairs)
