"""What a cluster's jobs do on this side: logs found and written, work dealt out, rows gathered. No cluster runs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from model_fakes import small_model, write_shop
from smar.data.events import EVENT_COLUMNS
from smar.errors import ConfigError, DataError, MismatchError
from smar.experiment.ray import counting, embedding
from smar.experiment.ray.connect import check_cluster
from smar.experiment.ray.embedding import EmbeddingOnCluster
from smar.experiment.ray.places import Group, Place, is_in_store

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs smar[ray]")
needs_arrow = pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="needs smar[ray]")


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'smar\[ray\]'"):
        check_cluster("127.0.0.1:6379")


@needs_arrow
def test_a_log_on_disk_is_read_row_group_by_row_group(tmp_path: Path) -> None:
    table = pl.DataFrame({name: [str(row) for row in range(10)] for name in "ab"})
    names = [column.name for column in EVENT_COLUMNS]
    table = table.select(pl.col("a").alias(name) for name in names).with_columns(more=1)
    (tmp_path / "day").mkdir()
    table.write_parquet(tmp_path / "day" / "x.parquet", row_group_size=4)
    (tmp_path / ".hidden.parquet").touch()
    (tmp_path / "_SUCCESS.parquet").touch()
    place = Place.of(str(tmp_path))
    groups = place.groups(place.log_files(), EVENT_COLUMNS)
    assert [group.rows for group in groups] == [4, 4, 2]
    assert pl.concat([place.read(group, EVENT_COLUMNS) for group in groups]).equals(table.select(names))


@needs_arrow
def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    (tmp_path / "events.csv").touch()
    (tmp_path / "broken.parquet").write_bytes(b"no table")
    with pytest.raises(DataError, match="is not there"):
        Place.of(str(tmp_path / "none")).log_files()
    with pytest.raises(DataError, match="reads Parquet only"):
        Place.of(str(tmp_path / "events.csv")).log_files()
    place = Place.of(str(tmp_path / "broken.parquet"))
    with pytest.raises(DataError, match=r"broken\.parquet: is no readable parquet file"):
        place.groups(place.log_files(), EVENT_COLUMNS)


def test_a_store_is_told_from_a_file() -> None:
    assert is_in_store("s3://bucket/events")
    assert not is_in_store("s3/events")


@pytest.mark.parametrize(("items", "cpus", "rows"), [(1, 3, 16), (480, 3, 20), (10**6, 3, 256)])
def test_blocks_are_many_and_not_too_small(items: int, cpus: int, rows: int) -> None:
    assert embedding._block(items, cpus) == rows


@needs_arrow
def test_blocks_in_any_order_become_what_the_model_gives_and_each_item_comes_once(tmp_path: Path) -> None:
    shop, model = write_shop(tmp_path / "shop", copies=2), small_model()
    model.cache = None
    model.save(tmp_path / "model")
    table = shop.catalog.table.with_row_index("row")
    blocks = [
        embedding._embed(part.to_arrow(), str(shop.folder), str(tmp_path / "model"), model.fingerprint)
        for part in reversed(list(table.iter_slices(7)))
    ]
    found = embedding._Gathered(len(shop.catalog), model.vector_dim)
    assert sum(found.take(block) for block in blocks) == len(shop.catalog)
    expected, arrays = model.embed_items(shop.catalog), found.whole()
    np.testing.assert_allclose(arrays.text, expected.text, atol=1e-5)
    np.testing.assert_allclose(arrays.multimodal, expected.multimodal, atol=1e-5)
    assert arrays.has_image.tolist() == expected.has_image.tolist()
    found.take(blocks[0])
    with pytest.raises(DataError, match=rf"0 did not come back .* {len(blocks[0])} came more than once"):
        found.whole()


@pytest.mark.parametrize(
    ("rows", "cpus", "loads"),
    [
        ([], 3, []),
        ([0], 3, [1]),
        ([8_000] * 5, 3, [2, 2, 1]),
        ([100_000] * 24, 3, [2] * 12),
        ([600_000] * 40, 2, [2] * 20),
    ],
)
def test_every_cpu_has_some_turns_at_reading(rows: list[int], cpus: int, loads: list[int]) -> None:
    groups = [Group("a.parquet", number, count) for number, count in enumerate(rows)]
    dealt = counting._loads(groups, cpus)
    assert [len(load) for load in dealt] == loads
    assert [group for load in dealt for group in load] == groups


def test_an_item_that_does_not_come_back_is_noticed() -> None:
    with pytest.raises(DataError, match="of 3 items 3 did not come back"):
        embedding._Gathered(3, 2).whole()


def test_a_node_that_reads_another_model_refuses(tmp_path: Path) -> None:
    small_model().save(tmp_path / "model")
    with pytest.raises(MismatchError, match="a node reads another model there"):
        embedding._model(str(tmp_path / "model"), "another")


@needs_ray
def test_no_model_is_taken_to_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no cluster answers"):
        EmbeddingOnCluster.build(small_model(), tmp_path, "127.0.0.1:1")
