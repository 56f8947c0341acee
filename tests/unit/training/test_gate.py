"""How the gate learns: ranks of clicks on new items, and the fit to them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model_fakes import small_model, write_shop
from smar.data.catalog import Catalog
from smar.data.clicks import ClickConfig
from smar.data.shop import Shop
from smar.model.smar import SMAR, QueryVectors
from smar.training.adapt import AdaptationConfig, AdaptationLoopConfig, learn_both
from smar.training.gate import GateLesson, fit_gate, log_ranks
from smar.training.stage import Material, clicks_to_learn, split_for_gate

KINDS = ("colour", "kind", "name")


class Stub(SMAR):
    """A model whose query vectors are known: a component for each of KINDS."""

    @classmethod
    def make(cls) -> Stub:
        model = small_model()
        model.__class__ = cls
        return model  # type: ignore[return-value]

    def embed_queries(self, texts: list[str]) -> QueryVectors:  # type: ignore[override]
        vectors = np.zeros((len(texts), self.vector_dim), np.float32)
        vectors[np.arange(len(texts)), [KINDS.index(text) for text in texts]] = 1
        gate = torch.sigmoid(self.gate(torch.from_numpy(vectors)))
        return QueryVectors(vectors, gate.numpy())


@pytest.fixture(scope="module")
def stub() -> Stub:
    return Stub.make()


def lesson(gains: dict[str, list[float]]) -> GateLesson:
    """Clicks after one query of each kind, each on an item of its own."""
    rows = [(KINDS.index(kind), gain) for kind, of_kind in gains.items() for gain in of_kind]
    queries = np.array([query for query, _ in rows])
    return GateLesson(
        list(KINDS),
        queries,
        np.arange(len(rows)),
        torch.tensor([gain for _, gain in rows]),
        [None] * len(rows),
    )


def values(model: SMAR) -> dict[str, float]:
    return dict(zip(KINDS, model.embed_queries(list(KINDS)).gate.tolist(), strict=True))


gain_lists = st.lists(st.integers(-40, 40).map(lambda tenths: tenths / 10), min_size=1, max_size=8)


@settings(deadline=None)
@given(one=gain_lists, other=gain_lists)
def test_the_gate_opens_where_the_gains_outweigh_the_losses(
    stub: Stub, one: list[float], other: list[float]
) -> None:
    fit_gate(stub, lesson({"colour": one, "kind": other}), penalties=[1e-3])
    for kind, gains in (("colour", one), ("kind", other)):
        if abs(sum(gains)) > 0.05 * sum(map(abs, gains)):
            assert (values(stub)[kind] > 0.5) == (sum(gains) > 0)


def test_without_a_penalty_the_gate_is_the_share_of_gains(stub: Stub) -> None:
    fit_gate(
        stub, lesson({"colour": [3.0, -1.0], "kind": [1.0, -2.0, -1.0], "name": [1.0, -1.0]}), penalties=[0]
    )
    assert values(stub) == pytest.approx({"colour": 0.75, "kind": 0.25, "name": 0.5}, abs=1e-3)


def test_a_penalty_holds_the_gate_near_a_half(stub: Stub) -> None:
    clicks = lesson({"colour": [2.0] * 9, "kind": [-2.0] * 9})
    distances = []
    for penalty in (1.0, 10.0, 100.0):
        fit_gate(stub, clicks, [penalty])
        found = values(stub)
        assert found["colour"] > 0.5 > found["kind"]
        distances.append(found["colour"] - found["kind"])
    assert distances == sorted(distances, reverse=True)


def test_the_figures_are_of_gates_that_did_not_see_the_item(stub: Stub) -> None:
    clear = fit_gate(stub, lesson({"colour": [2.0] * 20, "kind": [-1.0] * 20}), penalties=[1.0])
    assert clear.clicks == 40
    assert clear.always == pytest.approx(0.5)
    assert clear.routed == clear.best == pytest.approx(1.0)
    assert clear.share_with_image == pytest.approx(0.5)
    # Forty queries' worth of noise: what the fit learnt by heart is worth nothing elsewhere.
    noise = np.random.default_rng(0).normal(size=300)
    noise -= noise.mean()
    blind = fit_gate(
        stub, lesson({"colour": noise[:150].tolist(), "kind": noise[150:].tolist()}), penalties=[1.0]
    )
    assert blind.routed < 0.2 * blind.best


def test_clicks_that_were_not_fitted_choose_the_penalty(stub: Stub) -> None:
    clear = fit_gate(stub, lesson({"colour": [2.0] * 20, "kind": [-1.0] * 20}), penalties=[1.0, 1e7])
    assert clear.penalty == 1.0
    # Two wishes alike but for chance: whatever tells them apart loses elsewhere.
    generator = np.random.default_rng(1)
    alike = {kind: (generator.normal(size=40) + 0.3).tolist() for kind in ("colour", "kind")}
    assert fit_gate(stub, lesson(alike), penalties=[1e-3, 1e7]).penalty == 1e7
    assert values(stub)["colour"] == pytest.approx(values(stub)["kind"], abs=1e-3)


def test_the_penalty_is_chosen_by_what_the_gate_says_and_not_by_its_side_alone(stub: Stub) -> None:
    # The image pays for both, so that every penalty sends both to it; but for one of them far more surely.
    clicks = lesson({"colour": [1.0] * 95 + [-1.0] * 5, "kind": [1.0] * 60 + [-1.0] * 40})
    found = fit_gate(stub, clicks, penalties=[1.0, 1e7])
    assert (found.penalty, found.share_with_image) == (1.0, 1.0)
    assert values(stub) == pytest.approx({"colour": 0.95, "kind": 0.6, "name": 0.8}, abs=0.1)


def test_all_clicks_may_be_on_one_item(stub: Stub) -> None:
    one = lesson({"colour": [1.0, 2.0], "kind": [-1.0]})
    one.item[:] = 7
    found = fit_gate(stub, one, penalties=[1.0])
    assert values(stub)["colour"] > values(stub)["kind"]
    # Measured without its only item, the gate knows nothing and uses the image.
    assert (found.share_with_image, found.routed) == (1.0, pytest.approx(found.always))


def test_nothing_to_learn_from_leaves_the_gate_alone(stub: Stub) -> None:
    fit_gate(stub, lesson({"colour": [1.0, 1.0]}), penalties=[1.0])
    before = values(stub)
    nothing = GateLesson([], np.empty(0, np.int64), np.empty(0, np.int64), torch.empty(0), [])
    assert fit_gate(stub, nothing, penalties=[1.0]).clicks == 0
    assert values(stub) == before


def test_clicks_without_a_difference_say_nothing() -> None:
    model = Stub.make()
    fit_gate(model, lesson({"colour": [0.0, 0.0], "kind": [0.0]}), penalties=[1.0])
    assert values(model) == dict.fromkeys(KINDS, 0.5)


def test_a_rank_counts_the_items_that_score_higher_and_equals_come_in_any_order() -> None:
    items = torch.tensor([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.8, 0.6]])
    queries = torch.tensor([[1.0, 0.0]] * 4)
    found = log_ranks(queries, items, torch.arange(4))
    second_or_third = (math.log2(2) + math.log2(3)) / 2
    assert found.tolist() == pytest.approx([0, second_or_third, 2, second_or_third])


def test_equal_text_vectors_are_worth_as_much_as_other_vectors_in_a_random_order() -> None:
    random = torch.Generator().manual_seed(0)
    queries, clicked = torch.ones(5000, 1), torch.randint(40, (5000,), generator=random)
    level = log_ranks(queries, torch.ones(40, 1), clicked).mean().item()
    shuffled = (
        log_ranks(queries, torch.randperm(40, generator=random)[:, None].float(), clicked).mean().item()
    )
    assert level == pytest.approx(shuffled, abs=0.06)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return write_shop(tmp_path_factory.mktemp("gate") / "shop", copies=2)


def test_a_lesson_compares_the_ranks_of_both_kinds_of_vectors(shop: Shop, tmp_path: Path) -> None:
    model = small_model(cache=tmp_path)
    catalog = shop.catalog
    log = shop.clicks()
    found = GateLesson.read(model, log, catalog, model.read_items(catalog))
    arrays = model.embed_items(catalog)
    assert len(found.gain) == len(log)
    for place, click in enumerate(log):
        assert (found.texts[found.query[place]], found.item[place]) == (
            click.query,
            catalog.row(click.item_id),
        )
        query = model.embed_queries([click.query]).vectors[0]
        ranks = []
        for vectors in (arrays.text, arrays.multimodal):
            ahead = vectors @ query - vectors[found.item[place]] @ query
            above, level = (ahead > 1e-6).sum(), (np.abs(ahead) <= 1e-6).sum()
            ranks.append(np.log2(np.arange(above + 1, above + level + 1)).mean())
        assert found.gain[place] == pytest.approx(ranks[0] - ranks[1], abs=1e-5)


def test_only_a_model_with_a_gate_spares_items_for_it(shop: Shop) -> None:
    config = ClickConfig(held_out=0, gate_items=0.3)
    log = clicks_to_learn(shop, config)
    seen, unseen = split_for_gate(small_model(), log, config)
    assert len(unseen)
    assert len(seen) + len(unseen) == len(log)
    assert not set(unseen.table["item_id"]) & set(seen.table["item_id"])
    for kind in ("text", "image"):
        seen, unseen = split_for_gate(small_model(kind), log, config)
        assert (len(seen), len(unseen)) == (len(log), 0)


def test_without_photos_the_gate_stays_at_a_half(tmp_path: Path) -> None:
    shop = write_shop(tmp_path / "shop", copies=2)
    table = shop.catalog.table.with_columns(image=pl.lit(None, dtype=pl.String))
    catalog = Catalog.from_table(table, shop.folder)
    model = small_model(cache=tmp_path / "cache")
    items = model.read_items(catalog)
    found = fit_gate(model, GateLesson.read(model, shop.clicks(), catalog, items), penalties=[1.0])
    assert (found.always, found.routed) == (0, 0)
    assert (model.embed_queries(["red shirt", "3 m cable"]).gate == 0.5).all()


def test_stage_two_trains_the_towers_on_all_clicks_and_the_gate_by_fits_alone(
    shop: Shop, tmp_path: Path
) -> None:
    model = small_model(cache=tmp_path)
    clicks = ClickConfig(held_out=0, gate_items=0.3)
    log = clicks_to_learn(shop, clicks)
    items = model.read_items(shop.catalog)
    lesson = GateLesson.read(model, split_for_gate(model, log, clicks)[1], shop.catalog, items)
    material = Material.read(model, log, shop.catalog, items)
    seen: list[torch.Tensor] = []
    config = AdaptationConfig(gate_penalties=(1,), loop=AdaptationLoopConfig(epochs=2, batch_size=16))
    stage, worth = learn_both(
        model,
        lesson,
        material,
        shop.catalog,
        config,
        validate=lambda it: seen.append(it.gate.weight.clone()) or len(seen),
    )
    assert len(material.pairs) == len(log)
    assert len(lesson.gain) == worth.clicks > 0
    # Before the first step and after each epoch: the first fit, untouched by gradients.
    an_epoch = math.ceil(len(log) / 16)
    assert [step for step, _ in stage.validations] == [0, an_epoch, 2 * an_epoch]
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])
    assert seen[0].any()
    # The towers moved, and the gate was fitted to where the queries went.
    assert not torch.equal(model.gate.weight, seen[0])
