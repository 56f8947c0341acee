"""What can be said of the Milvus engine without a cluster: addresses, filters, limits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle, repeat
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from retrieval_fakes import WordModel, little_catalog, random_units
from smar.data.catalog import Catalog
from smar.errors import ConfigError, DataError, QueryError
from smar.retrieval.engines.milvus import checks
from smar.retrieval.engines.milvus.address import MilvusAddress
from smar.retrieval.engines.milvus.collection import DEEPEST, Collection
from smar.retrieval.engines.milvus.filling import Filling
from smar.retrieval.engines.milvus.schema import cells, fields_of, passing
from smar.retrieval.filters import FilterValue
from smar.retrieval.index import IndexConfig, Reached
from smar.retrieval.indexes import ItemIndexes
from smar.retrieval.selection import Selection
from smar.retrieval.vectors import ItemVectors


def test_an_address_says_where_and_how() -> None:
    address = MilvusAddress.parse("milvus+tls://cluster.example?replicas=2&name=shop")
    assert (address.host, address.port, address.tls, address.replicas) == ("cluster.example", 19530, True, 2)
    assert str(address) == "milvus+tls://cluster.example:19530"
    assert str(MilvusAddress.parse("milvus://[::1]:20000")) == "milvus://[::1]:20000"
    assert MilvusAddress.of(None) is None
    assert MilvusAddress.of("") is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("localhost:19530", "expected an address such as"),
        ("http://localhost", "expected an address such as"),
        ("milvus://localhost:port", "expected an address such as"),
        ("milvus://localhost/folder", "expected an address such as"),
        ("milvus://me:secret@localhost", "SMAR_MILVUS_TOKEN"),
        ("milvus://localhost?name=1st", "no digit first"),
        ("milvus://localhost?host=other", "before the question mark"),
        ("milvus://localhost?seconds=inf", "seconds"),
        ("milvus://localhost?shards=99", "shards"),
        ("milvus://localhost?nodes=3", "no such field"),
    ],
)
def test_another_address_is_refused(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        MilvusAddress.parse(text)


def test_runs_of_different_names_have_different_aliases() -> None:
    address = MilvusAddress.parse("milvus://localhost")
    names = ["shoes", "shoes-2", "shoes 2", "обувь", "сумки", "x" * 300, "x" * 301]
    assert address.alias("shoes") == "smar_shoes"
    assert len({address.alias(name) for name in names}) == len(names)
    assert all(len(address.alias(name)) < 240 and address.alias(name).isascii() for name in names)
    assert MilvusAddress.parse("milvus://localhost?name=mine").alias("shoes") == "mine"


def many_items() -> Catalog:
    count = 12_000
    table = pl.DataFrame(
        {
            "item_id": [f"i{place:05}" for place in range(count)],
            "title": ["thing"] * count,
            "weight": pl.Series([place % 7 / 10 for place in range(count)], dtype=pl.Float32),
            "pages": [place % 9 for place in range(count)],
        }
    )
    return Catalog.from_table(table, Path("shop"))


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("weight", {"max": 1e39}, "{} <= 3.4028234663852886e+38"),
        ("weight", [0.1, 1e39], "{} in [0.10000000149011612]"),
        ("weight", 1e39, "key < -4611686018427387904"),
        ("pages", {"max": 10**18}, "{} <= 1e+18"),
        ("pages", [3, 4.0], "{} in [3.0, 4.0]"),
    ],
)
def test_numbers_are_said_as_the_cells_are_even_where_no_cell_can_hold_them(
    column: str, value: FilterValue, told: str
) -> None:
    catalog = many_items()
    fields = fields_of(catalog)
    (name,) = (field.name for field in fields if field.column == column)
    some = Selection(np.arange(len(catalog)) > 5, ({column: value},))
    found = passing(some, fields, "text")
    assert found.is_all
    assert told.format(name) in found.expression


def test_what_is_not_said_whole_is_known_to_be_so() -> None:
    catalog = many_items()
    fields = fields_of(catalog)
    hidden = Selection.of(catalog).without(np.arange(5_000))
    assert passing(hidden, fields, "text") == ("", False)
    by_title = Selection(np.arange(len(catalog)) > 5, ({"title": "thing", "pages": 3},))
    assert not passing(by_title, fields, "text").is_all
    few = Selection.of(catalog).without(np.arange(11_900))
    assert passing(few, fields, "text").is_all
    assert passing(Selection.of(catalog), fields, "text") == ("", True)


def test_a_shop_of_many_columns_has_as_many_fields_as_a_collection_takes() -> None:
    table = pl.DataFrame(
        {"item_id": ["a"], "title": ["b"]} | {f"column {place}": [1] for place in range(100)}
    )
    assert len(fields_of(Catalog.from_table(table, Path("shop")))) == 60


def test_an_empty_cell_becomes_what_no_filter_can_name() -> None:
    catalog = little_catalog()
    by_column = {field.column: cells(catalog.table[field.column], field.kind) for field in fields_of(catalog)}
    assert by_column["brand"] == ["H&M", "X", "\x00", "Anker", "X", "\x00"]
    assert by_column["in_stock"] == [1, 0, 1, 1, -1, 1]
    assert by_column["sizes"] == [["S", "M"], ["M"], [], [], [], []]
    assert np.isnan(by_column["price"][2])
    assert "title" not in by_column


def test_a_search_deeper_than_a_cluster_goes_is_refused() -> None:
    address = MilvusAddress.parse("milvus://localhost")
    collection = Collection(None, address, "c", random_units(1, 8)[0], {"text": 64})  # type: ignore[arg-type]
    with pytest.raises(QueryError, match="16,320 hits deep"):
        collection.search(random_units(1, 8), ["text"], DEEPEST)


def test_one_process_at_a_time_fills_a_collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MilvusAddress, "connect", lambda self: None)
    address = MilvusAddress.parse("milvus://localhost")
    with (
        Filling(address, tmp_path, "run"),
        pytest.raises(DataError, match="another process is indexing into a cluster"),
        Filling(address, tmp_path, "run"),
    ):
        pass
    with Filling(address, tmp_path, "run"):
        pass


class MovingCluster:
    """Answers as a cluster does that moves a part of a collection to another node: half of it is missing meanwhile."""

    def __init__(self, vectors: ItemVectors, is_moving: Iterator[bool]) -> None:
        self._is_moving = is_moving
        self._indexes = ItemIndexes.build(vectors, IndexConfig())
        self._rows = len(vectors) + 64
        self.address = MilvusAddress.parse("milvus://localhost")
        self.facts = SimpleNamespace(witnesses={"text": 64, "multimodal": 64})
        self.collection = self

    def count(self, partition: str) -> int:
        return self._rows // 2 if next(self._is_moving) else self._rows

    def nearest(self, *asked: Any) -> Reached:
        scores, rows, _ = self._indexes.nearest(*asked)
        if not next(self._is_moving):
            return Reached(scores, rows)
        return Reached(scores, np.where(np.arange(rows.shape[1]) % 2, rows, -1), 0.5)


def test_what_a_cluster_is_moving_is_looked_for_again_until_the_time_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checks, "_SECONDS_BETWEEN", 0.0)
    vectors = ItemVectors.build(WordModel(dim=8), little_catalog())
    parts = dict.fromkeys(("text", "multimodal"), np.arange(len(vectors)))

    def look(cluster: MovingCluster) -> None:
        checks.check(cluster, vectors, parts, None)  # type: ignore[arg-type]

    look(MovingCluster(vectors, cycle([True, False])))
    monkeypatch.setattr(checks, "_SECONDS", 0.0)
    with pytest.raises(DataError, match="35 of 70 rows of text arrived; index again"):
        look(MovingCluster(vectors, repeat(True)))
