"""Query terms: an item is found by words that other shoppers used for what looks like it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from model_fakes import small_config, small_model, write_shop
from smar.data.clicks import ClickConfig
from smar.data.shop import Shop
from smar.errors import ConfigError, ModelError
from smar.model.compiled import CompiledQueries
from smar.model.compiling import compile_queries
from smar.model.explain import explain
from smar.model.fusion import FusionKind
from smar.model.smar import SMAR
from smar.model.term_table import TermTable, hash_words
from smar.retrieval.engine import SearchEngine
from smar.training.adapt import AdaptationConfig, AdaptationLoopConfig, adapt
from smar.training.pairs import Pairs
from smar.training.pretrain import calibrate
from smar.training.stage import Material
from smar.training.terms import TermsLoopConfig, choose_weight, fit_terms

QUICK = TermsLoopConfig(epochs=40, batch_size=16, learning_rate=1e-2, least_queries=1)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return write_shop(tmp_path_factory.mktemp("terms") / "shop", copies=3)


def opened(shop: Shop, kind: FusionKind = "cross_attention") -> tuple[SMAR, Material]:
    model = SMAR.build(small_config(kind, terms={"dim": 24})).eval()
    model.cache = None
    material = Material.read(model, shop.clicks(), shop.catalog, model.read_items(shop.catalog))
    calibrate(model, material)
    return model, material


@pytest.fixture(scope="module")
def learnt(shop: Shop) -> SMAR:
    model, material = opened(shop)
    words, items = fit_terms(model, material.pairs, material.items, QUICK)
    assert model.terms is not None
    model.terms.weight.fill_(0.05)
    assert items == len(shop.catalog)
    assert words == len({word for text in material.pairs.texts for word in text.split()})
    return model


def test_the_product_of_vectors_is_the_cosine_and_the_likelihood(learnt: SMAR, shop: Shop) -> None:
    queries = ["red shirt", "dress in blue", "something else", "red red shirt"]
    assert learnt.terms is not None
    items = learnt.read_items(shop.catalog)
    states = items.states(np.arange(len(shop.catalog)))
    joined = learnt.items(states)
    table, learnt.terms = learnt.terms, None
    plain, meant = learnt.items(states), torch.from_numpy(learnt.embed_queries(queries).vectors)
    learnt.terms = table
    assert states.images is not None
    scaled = learnt.scaled_summaries(states.images)
    photos = scaled.new_zeros(len(shop.catalog), scaled.shape[1]).index_put((states.with_image,), scaled)
    with torch.no_grad():
        for mine, theirs, seen in (
            (joined.multimodal, plain.multimodal, photos),
            (joined.text, plain.text, None),
        ):
            likelihoods = table.log_likelihoods(plain.text, seen)
            found = torch.from_numpy(learnt.embed_queries(queries).vectors) @ mine.T
            for row, query in enumerate(queries):
                known = table.table().places(list(dict.fromkeys(query.split())))
                wanted = meant[row] @ theirs.T + 0.05 * likelihoods[:, known].sum(1)
                # But for what is the same for all items, and a factor that is the same for all queries.
                one, other = found[row] - found[row].mean(), wanted - wanted.mean()
                assert torch.allclose(one * math.hypot(1, 0.25), other, atol=2e-4), query


def test_words_of_the_log_find_what_only_the_photo_shows(learnt: SMAR, shop: Shop) -> None:
    assert learnt.terms is not None
    engine = SearchEngine.build(learnt, shop.catalog)
    for colour in ("red", "green", "blue", "black"):
        # "shirt red" was never asked in this order, and the towers have learnt nothing.
        for query in (f"shirt {colour}", f"{colour} mug"):
            hits = [hit.item.item_id for hit in engine.search(query, k=3)]
            assert sum(f"-{colour}-" in item for item in hits) >= 2, (query, hits)


def test_an_item_without_a_photo_has_the_same_bits_twice(learnt: SMAR, shop: Shop) -> None:
    arrays = learnt.embed_items(shop.catalog)
    assert (arrays.text[~arrays.has_image] == arrays.multimodal[~arrays.has_image]).all()
    assert (arrays.text[arrays.has_image] != arrays.multimodal[arrays.has_image]).any(1).all()


def test_a_model_with_terms_is_saved_compiled_and_read_again(
    learnt: SMAR, shop: Shop, tmp_path: Path
) -> None:
    learnt.save(tmp_path / "model")
    again = SMAR.load(tmp_path / "model")
    again.cache = None
    assert again.fingerprint == learnt.fingerprint
    queries = ["red shirt", "***", "nobody asked this", "3 m cable"]
    vectors = learnt.embed_queries(queries)
    assert (again.embed_queries(queries).vectors == vectors.vectors).all()
    assert (again.embed_items(shop.catalog).multimodal == learnt.embed_items(shop.catalog).multimodal).all()
    compile_queries(learnt, tmp_path / "queries")
    compiled = CompiledQueries.load(tmp_path / "queries").embed_queries(queries)
    assert compiled.vectors == pytest.approx(vectors.vectors, abs=0.02)
    assert (compiled.vectors[:, 64:] == vectors.vectors[:, 64:]).all()
    assert compiled.gate == pytest.approx(vectors.gate, abs=0.01)
    # Without a known word, the part of query terms is zero.
    lengths = np.linalg.norm(compiled.vectors, axis=1)
    assert lengths[[1, 2]] == pytest.approx(1, abs=1e-5)
    assert (lengths[[0, 3]] > 1.05).all()
    assert CompiledQueries.load(tmp_path / "queries").embed_queries([]).vectors.shape == (
        0,
        learnt.vector_dim,
    )


def test_the_gate_does_not_see_the_terms(learnt: SMAR) -> None:
    queries, terms = ["red shirt", "3 m cable"], learnt.terms
    with torch.no_grad():
        learnt.gate.weight.normal_(0, 1, generator=torch.Generator().manual_seed(0))
    gates = learnt.embed_queries(queries).gate
    learnt.terms = None
    assert (learnt.embed_queries(queries).gate == gates).all()
    learnt.terms = terms


def test_scores_are_explained_with_terms(learnt: SMAR, shop: Shop) -> None:
    engine = SearchEngine.build(learnt, shop.catalog)
    hit = next(iter(engine.with_image_mode("never").search("3 m cable", k=1)))
    title = shop.catalog.table["title"][shop.catalog.row(hit.item.item_id)]
    explained = explain(learnt, "3 m cable", title)
    assert explained.score == pytest.approx(hit.score, abs=1e-3)


@pytest.mark.parametrize("kind", ["text", "sum", "gated"])
def test_every_fusion_learns_terms(kind: FusionKind, shop: Shop) -> None:
    model, material = opened(shop, kind)
    fit_terms(model, material.pairs, material.items, QUICK)
    assert model.terms is not None
    model.terms.weight.fill_(0.5)
    assert model.vector_dim == 32 + 32 + 24
    # The towers have learnt nothing: what finds a cable is the word.
    assert "cable" in next(iter(SearchEngine.build(model, shop.catalog).search("cable", k=1))).item.item_id


def test_fitting_again_gives_the_same_and_needs_no_luck_of_the_process(shop: Shop) -> None:
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model, material = opened(shop)
        fit_terms(model, material.pairs, material.items, QUICK.model_copy(update={"epochs": 2}))
        found.append(model.fingerprint)
    assert found[0] == found[1]


def test_held_out_clicks_choose_the_weight_or_none(shop: Shop) -> None:
    model, material = opened(shop)
    fit_terms(model, material.pairs, material.items, QUICK.model_copy(update={"epochs": 1}))
    asked = model.terms
    assert asked is not None
    best, figures = choose_weight(model, (0.01, 0.02, 0.03), lambda: -abs(float(asked.weight) - 0.02))
    assert (best, list(figures)) == (0.02, ["0", "0.01", "0.02", "0.03"])
    assert float(asked.weight) == pytest.approx(0.02)
    assert model.terms is asked
    best, _ = choose_weight(model, (0.01,), lambda: 1.0)
    assert best == 0
    assert model.terms is None
    assert model.vector_dim == 64


def test_rare_words_are_not_learnt_and_without_any_there_are_no_terms(shop: Shop) -> None:
    model, material = opened(shop)
    few = QUICK.model_copy(update={"epochs": 1, "least_queries": 4})
    words, _ = fit_terms(model, material.pairs, material.items, few)
    assert model.terms is not None
    assert words == len(model.terms.hashes)
    # Shirts, dresses and mugs in four colours, each asked in two ways; eight cables.
    expected = {"shirt", "dress", "mug", "in", "m", "cable", "red", "green", "blue", "black"}
    assert set(model.terms.hashes.tolist()) == set(hash_words(sorted(expected)).tolist())
    assert fit_terms(
        model, material.pairs, material.items, few.model_copy(update={"least_queries": 999})
    ) == (
        0,
        0,
    )
    assert model.terms is None
    assert fit_terms(model, material.pairs, material.items, few.model_copy(update={"epochs": 0})) == (0, 0)


def test_of_too_many_items_some_are_drawn_and_it_is_said(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    model, material = opened(shop)
    few = QUICK.model_copy(update={"epochs": 1, "most_items": 10})
    assert fit_terms(model, material.pairs, material.items, few)[1] == 10
    assert "10 of 44 clicked items" in " ".join(capsys.readouterr().err.split())


def test_items_own_words_teach_nothing(shop: Shop) -> None:
    model, material = opened(shop)
    own = material.pairs.with_own_words(["ownword"] * len(shop.catalog))
    first = fit_terms(model, own, material.items, QUICK.model_copy(update={"epochs": 1}))
    assert first == fit_terms(model, material.pairs, material.items, QUICK.model_copy(update={"epochs": 1}))
    assert model.terms is not None
    assert not len(model.terms.table().places(["ownword"]))


def test_a_table_adds_known_words_once() -> None:
    hashes = np.sort(hash_words(["red", "shirt"]))
    rows = np.array([[1.0, 0.0], [0.0, 2.0]], np.float32)
    table = TermTable(hashes, rows)
    plain = np.array([[0.6, 0.8]], np.float32)
    both = table.join(plain, ["red shirt red"])[0]
    assert both == pytest.approx([0.6, 0.8, 1, 2])
    assert table.join(plain, ["green"])[0] == pytest.approx([0.6, 0.8, 0, 0])
    assert table.join(plain[:0], []).shape == (0, 4)
    assert TermTable(hashes[:0], rows[:0]).join(plain, ["red"])[0] == pytest.approx([0.6, 0.8, 0, 0])


def test_towers_that_learn_on_lose_their_terms(learnt: SMAR, shop: Shop, tmp_path: Path) -> None:
    learnt.save(tmp_path / "model")
    model = SMAR.load(tmp_path / "model")
    model.cache = None
    no_epochs = AdaptationConfig(loop=AdaptationLoopConfig(epochs=0))
    adapt(model, shop, no_epochs, ClickConfig(held_out=0, gate_items=0.3))
    assert model.terms is None
    assert model.vector_dim == model.gate.in_features


def test_a_header_that_lies_about_terms_is_a_model_error(learnt: SMAR, tmp_path: Path) -> None:
    learnt.save(tmp_path / "model")
    header = tmp_path / "model" / "model.json"
    told = header.read_text(encoding="utf-8")
    for wrong in ('"terms": 0', '"terms": 17', '"terms": -1', '"terms": "many"'):
        header.write_text(told.replace('"terms": 18', wrong), encoding="utf-8")
        with pytest.raises(ModelError):
            SMAR.load(tmp_path / "model")
    header.write_text(told.replace('"dim": 24', '"dim": 0'), encoding="utf-8")
    with pytest.raises(ModelError, match=r"model\.terms\.dim = 0"):
        SMAR.load(tmp_path / "model")


def test_a_compiled_tower_that_lost_its_words_is_a_model_error(learnt: SMAR, tmp_path: Path) -> None:
    compile_queries(learnt, tmp_path / "queries")
    np.save(tmp_path / "queries" / "term_rows.npy", np.zeros((3, 24), np.float32), allow_pickle=False)
    with pytest.raises(ModelError, match="are not of 18 words"):
        CompiledQueries.load(tmp_path / "queries")
    (tmp_path / "queries" / "term_hashes.npy").unlink()
    with pytest.raises(ModelError, match=r"term_hashes\.npy"):
        CompiledQueries.load(tmp_path / "queries")


def test_models_that_can_have_no_terms_are_refused(shop: Shop) -> None:
    for model in (small_model(), small_model("image", terms={"dim": 16})):
        model.cache = None
        material = Material.read(model, shop.clicks(), shop.catalog, model.read_items(shop.catalog))
        with pytest.raises(ConfigError, match="has no query terms to learn"):
            fit_terms(model, material.pairs, material.items, QUICK)


def test_one_clicked_item_and_pairs_without_weight_are_no_trouble(shop: Shop) -> None:
    model, material = opened(shop)
    pairs = material.pairs
    one = pairs.items == pairs.items[0]
    alone = Pairs(pairs.texts, pairs.queries, pairs.items, np.where(one, pairs.weights, 0).astype(np.float32))
    assert fit_terms(model, alone, material.items, QUICK.model_copy(update={"epochs": 2}))[1] == 1
    assert model.terms is not None
    model.terms.weight.fill_(0.1)
    arrays = model.embed_items(shop.catalog)
    assert np.isfinite(arrays.multimodal).all()
    assert np.linalg.norm(arrays.multimodal, axis=1) == pytest.approx(1, abs=1e-5)


def test_of_too_many_words_the_most_frequent_are_learnt(
    shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    model, material = opened(shop)
    few = QUICK.model_copy(update={"epochs": 1, "most_words": 2})
    assert fit_terms(model, material.pairs, material.items, few)[0] == 2
    assert model.terms is not None
    assert len(model.terms.table().places(["in", "m", "cable"])) == 2
    assert "the 2 most frequent of 18 words" in " ".join(capsys.readouterr().err.split())
