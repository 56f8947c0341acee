"""The network's laws: unit vectors, items without a photo, batches, padding, seeds, and its folder."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl
import pytest
import torch

from model_fakes import small_config, small_model, write_shop
from smar.data.shop import Shop
from smar.errors import ConfigError, ModelError
from smar.model.fusion import FusionKind
from smar.model.smar import SMAR
from smar.model.sources import item_texts

KINDS = get_args(FusionKind)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return write_shop(tmp_path_factory.mktemp("model") / "shop", copies=1)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("kind", KINDS)
def test_every_vector_has_unit_length_and_items_without_a_photo_have_their_text_vector(
    kind: FusionKind, shop: Shop, cache: Path
) -> None:
    arrays = small_model(kind, cache).embed_items(shop.catalog)
    for vectors in (arrays.text, arrays.multimodal):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    bare = ~arrays.has_image
    assert bare.sum() >= 8
    np.testing.assert_array_equal(arrays.text[bare], arrays.multimodal[bare])
    if kind != "text":
        assert (arrays.text[~bare] != arrays.multimodal[~bare]).any(axis=1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_permuted_batch_gives_the_permuted_vectors(kind: FusionKind, shop: Shop, cache: Path) -> None:
    model = small_model(kind, cache)
    source = model.read_items(shop.catalog)
    rows = np.arange(len(source))
    order = np.random.default_rng(0).permutation(rows)
    with torch.inference_mode():
        straight, permuted = model.items(source.states(rows)), model.items(source.states(order))
    torch.testing.assert_close(straight.multimodal[order], permuted.multimodal, atol=1e-5, rtol=0)
    torch.testing.assert_close(straight.text[order], permuted.text, atol=1e-5, rtol=0)


def test_a_query_has_the_same_vector_alone_and_beside_a_longer_one() -> None:
    model = small_model(query_layers=1)
    alone = model.embed_queries(["red shirt"])
    beside = model.embed_queries(
        ["red shirt", "a very long query about a red shirt with many buttons and a collar"]
    )
    np.testing.assert_allclose(alone.vectors[0], beside.vectors[0], atol=1e-5)
    assert ((beside.gate > 0) & (beside.gate < 1)).all()


def test_no_queries_give_no_vectors() -> None:
    model = small_model()
    assert model.embed_queries([]).vectors.shape == (0, model.vector_dim)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    assert small_model().fingerprint == small_model().fingerprint
    assert small_model().fingerprint != small_model(seed=1).fingerprint


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shares", [True, False])
def test_a_saved_model_is_read_back_whole(
    kind: FusionKind, shares: bool, tmp_path: Path, shop: Shop, cache: Path
) -> None:
    model = small_model(kind, cache, shares_text_encoder=shares, gate={"threshold": 0.25})
    model.save(tmp_path / "model")
    again = SMAR.load(tmp_path / "model")
    again.cache = cache
    assert again.fingerprint == model.fingerprint
    assert again.gate_threshold == 0.25
    np.testing.assert_array_equal(
        again.embed_items(shop.catalog).multimodal, model.embed_items(shop.catalog).multimodal
    )
    assert not list((tmp_path / "model").rglob("*.pkl")) + list((tmp_path / "model").rglob("*.bin"))


def test_a_damaged_model_folder_is_refused(tmp_path: Path) -> None:
    small_model().save(tmp_path / "model")
    other = small_model(seed=5)
    other.save(tmp_path / "other")
    (tmp_path / "other" / "model.safetensors").rename(tmp_path / "model" / "model.safetensors")
    with pytest.raises(ModelError, match="is not what was written with"):
        SMAR.load(tmp_path / "model")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"not tensors")
    with pytest.raises(ModelError, match="cannot be loaded"):
        SMAR.load(tmp_path / "model")
    (tmp_path / "model" / "model.json").unlink()
    with pytest.raises(ModelError, match="holds no model"):
        SMAR.load(tmp_path / "model")


def test_an_unknown_encoder_is_refused_by_name() -> None:
    with pytest.raises(ModelError, match="no/such-encoder"):
        SMAR.build(small_config(text={"name": "no/such-encoder"}))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(ConfigError, match=r"model\.heads = 5"):
        SMAR.build(small_config(heads=5))


def test_an_unreadable_photo_is_counted_and_its_item_treated_as_one_without(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = write_shop(tmp_path / "shop", copies=1)
    (tmp_path / "shop" / "images" / "shirt-red-0.png").write_bytes(b"no picture")
    (tmp_path / "shop" / "images" / "mug-blue-0.png").unlink()
    model = small_model(cache=tmp_path / "cache")
    source = model.read_items(shop.catalog)
    assert source.images is not None
    assert source.images.faults == {"missing": 1, "unreadable": 1}
    assert "1 photos cannot be used (missing)" in capsys.readouterr().err
    arrays = model.embed_source(source)
    row = shop.catalog.row("shirt-red-0")
    assert not arrays.has_image[row]
    np.testing.assert_array_equal(arrays.text[row], arrays.multimodal[row])


def test_a_photo_that_cannot_be_read_counts_for_every_item_that_shows_it(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", copies=1)
    for name in ("shirt-red-0", "mug-red-0"):
        (tmp_path / "shop" / "images" / f"{name}.png").write_bytes(b"the same, and no picture")
    source = small_model(cache=tmp_path / "cache").read_items(shop.catalog)
    assert source.images is not None
    assert source.images.faults == {"unreadable": 2}
    assert not source.has_image[[shop.catalog.row("shirt-red-0"), shop.catalog.row("mug-red-0")]].any()


def test_trained_image_encoders_leave_out_the_same_photos(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", copies=1)
    (tmp_path / "shop" / "images" / "shirt-red-0.png").write_bytes(b"no picture")
    image = {"name": "small", "image_size": 32, "trained": "all", "grid": 3}
    source = small_model(cache=tmp_path / "cache", image=image).read_items(shop.catalog)
    assert source.images is not None
    assert source.images.faults == {"unreadable": 1}
    rows = np.flatnonzero(source.has_image)[:3]
    assert len(source.images.states(rows).summary) == 3


def test_cached_states_are_those_that_are_computed_live(shop: Shop, tmp_path: Path) -> None:
    frozen = small_config(text={"name": "small", "trained": "none"}, query_layers=1, text_layers=1)
    cached = SMAR.build(frozen).eval()
    cached.cache = tmp_path
    first = cached.embed_items(shop.catalog)
    live = SMAR.build(
        frozen.model_copy(update={"text": frozen.text.model_copy(update={"trained": "all"})})
    ).eval()
    live.cache = tmp_path
    np.testing.assert_allclose(first.text, live.embed_items(shop.catalog).text, atol=2e-2)
    # The second time everything is there: no state is computed, and the vectors are the same bits.
    again = cached.embed_items(shop.catalog)
    np.testing.assert_array_equal(first.multimodal, again.multimodal)


def test_a_field_that_repeats_the_title_is_left_out(shop: Shop) -> None:
    table = shop.catalog.table.with_columns(pl.lit("shirt").alias("category"), pl.lit("Acme").alias("brand"))
    texts = item_texts(type(shop.catalog)(table, shop.folder), ("title", "category", "brand"))
    assert "shirt number 0 . Acme" in texts
    assert "mug number 0 . shirt . Acme" in texts


def test_states_of_a_text_are_shared_by_settings_that_cut_texts_elsewhere() -> None:
    short, long = (
        small_model(
            "text", text={"name": "small", "trained": "none", "max_item_tokens": longest}
        ).text_encoder
        for longest in (8, 16)
    )
    assert short.fingerprint == long.fingerprint
    with torch.no_grad():
        next(long.network.parameters()).add_(1)
    assert short.fingerprint != long.fingerprint


def test_threads_that_tokenise_at_once_do_not_cut_each_other_short() -> None:
    encoder = small_model().text_encoder
    long_text = ["word " * 200] * 40
    found: dict[int, set[int]] = {8: set(), 40: set()}
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)

    def tokenise(longest: int) -> None:
        for _ in range(20):
            found[longest] |= {len(tokens) for tokens in encoder.tokenize(long_text, longest)[0]}

    try:
        threads = [threading.Thread(target=tokenise, args=(longest,)) for longest in found]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert found == {8: {8}, 40: {40}}
