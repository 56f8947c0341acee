"""Items that did not change keep their vectors, and the index is as if built from nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from retrieval_fakes import FakeItemArrays, WordModel, little_catalog
from smar.data.catalog import Catalog
from smar.retrieval.engine import SearchEngine
from smar.retrieval.index import IndexConfig
from smar.retrieval.publishing import write_generation
from smar.retrieval.refresh import refresh
from smar.retrieval.vectors import ItemVectors


@dataclass(frozen=True)
class Watched(WordModel):
    """Notes which items it embeds."""

    embedded: list[Sequence[str]] = field(default_factory=list, compare=False)

    def embed_items(self, catalog: Catalog) -> FakeItemArrays:
        self.embedded.append(catalog.item_ids)
        return super().embed_items(catalog)


def edited() -> Catalog:
    """The little catalogue with an item gone, two new ones, another title and another photo."""
    table = little_catalog().table.filter(pl.col("item_id") != "a2")
    changed = table.with_columns(
        title=pl.when(pl.col("item_id") == "b2").then(pl.lit("floor lamp")).otherwise("title"),
        image=pl.when(pl.col("item_id") == "a1").then(pl.lit("photos/red.jpg")).otherwise("image"),
    )
    new = changed.head(2).with_columns(item_id=pl.Series(["a0", "d9"]), title=pl.lit("red scarf"))
    return Catalog(pl.concat([changed, new]).sort("item_id"), Path("shop"))


def test_only_what_changed_is_embedded() -> None:
    model = Watched()
    old = refresh(model, little_catalog(), None).vectors
    vectors, moved = refresh(model, edited(), old)
    assert model.embedded == [little_catalog().item_ids, ["a0", "a1", "b2", "d9"]]
    assert moved.tolist() == [-1, -1, 2, 3, -1, 5]
    whole = ItemVectors.build(WordModel(), edited(), WordModel().item_digests(edited()))
    assert vectors.item_ids == whole.item_ids
    for name in ("text", "multimodal", "has_image", "digests"):
        np.testing.assert_array_equal(getattr(vectors, name), getattr(whole, name))


def test_nothing_is_embedded_where_nothing_changed_and_everything_for_another_model() -> None:
    model = Watched()
    old = refresh(model, little_catalog(), None).vectors
    assert refresh(model, little_catalog(), old).kept == 6
    assert len(model.embedded) == 1
    other = Watched(seed="two")
    assert refresh(other, little_catalog(), old).kept == 0
    assert other.embedded == [little_catalog().item_ids]
    assert refresh(model, little_catalog(), replace(old, digests=None)).kept == 0


@pytest.mark.parametrize("kind", ["exact", "hnsw", "ivf"])
def test_a_generation_after_another_answers_as_one_built_anew(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = Watched()
    config = IndexConfig.check(
        {"kind": kind, "exact_below": 0, "ef_search": 4, "candidates": 4}, where="test"
    )
    write_generation(tmp_path / "run", model, little_catalog(), config)
    write_generation(tmp_path / "run", model, edited(), config)
    write_generation(tmp_path / "anew", model, edited(), config)
    assert "3 of 7 items are as they were" in capsys.readouterr().err
    one, other = (SearchEngine.open(tmp_path / name, model) for name in ("run", "anew"))
    for query in ("red scarf", "lamp", "wool jumper"):
        assert one.search(query, 3).hits[0] == other.search(query, 3).hits[0]
    model.embedded.clear()
    write_generation(tmp_path / "run", model, edited(), config, anew=True)
    assert model.embedded == [edited().item_ids]
