"""Explanations: parts that sum to the score, and words and cells that matter where they should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model_fakes import small_model, write_shop
from smar.data.images import read_image
from smar.model.explain import explain
from smar.model.sources import item_texts


def test_parts_sum_to_the_score_of_the_index(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", copies=1)
    model = small_model(cache=tmp_path / "cache")
    arrays, texts = model.embed_items(shop.catalog), item_texts(shop.catalog, model.config.item_fields)
    query = model.embed_queries(["red shirt"]).vectors[0]
    for row, item_id in enumerate(shop.catalog.item_ids):
        path = shop.catalog.image_path(row)
        pixels = None if path is None else read_image(path, model.photo_size)
        found = explain(model, "red shirt", texts[row], pixels)
        assert found.score == pytest.approx(float(arrays.multimodal[row] @ query), abs=2e-3), item_id
        assert found.text + found.image + found.clicks == pytest.approx(found.score, abs=1e-5)
        assert [word for word, _ in found.words] == texts[row].split()
        if path is None:
            assert (found.image, found.cells) == (0, None)
        else:
            assert found.cells is not None
            assert found.cells.shape == (3, 3)
            assert np.isfinite(found.cells).all()


def test_a_word_that_is_asked_for_matters_most(tmp_path: Path) -> None:
    model = small_model(cache=tmp_path)
    found = explain(model, "corduroy", "blue corduroy trousers with pockets")
    assert max(found.words, key=lambda pair: pair[1])[0] == "corduroy"
    assert explain(model, "red", "shirt").words == ()
