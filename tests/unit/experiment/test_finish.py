"""The end of a run: held-out clicks judge among all items, and the gate is fitted to the vectors as they end."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch

from model_fakes import small_config, write_shop
from smar.data.shop import Shop
from smar.experiment.config import ExperimentConfig
from smar.experiment.finish import Ending, Evidence, FirstStage, finish
from smar.experiment.validation import HeldOut, ValidationConfig
from smar.model.memory import item_names
from smar.model.smar import SMAR
from smar.training.gate import GateLesson, fit_gate
from smar.training.pairs import Pairs
from smar.training.pretrain import calibrate
from smar.training.stage import Material
from smar.training.terms import fit_terms


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return write_shop(tmp_path_factory.mktemp("finish") / "shop", copies=3)


def ended(shop: Shop, kept: float = 0.3, **settings: object) -> tuple[SMAR, Ending, Evidence]:
    config = ExperimentConfig.model_validate(
        {
            "model": small_config(**settings).model_dump(),  # type: ignore[arg-type]
            "terms": {"epochs": 2, "least_queries": 1},
            "memory": {"weights": [0.5]},
            "adaptation": {"gate_penalties": [1.0]},
            "validation": {"measure": "nDCG@5"},
        }
    )
    model = SMAR.build(config.model).eval()
    model.cache = None
    items = model.read_items(shop.catalog)
    learnt, kept_back = shop.clicks().split(0.3, seed=1)
    seen, unseen = learnt.split_items(kept, seed=1)
    calibrate(model, Material.read(model, seen, shop.catalog, items))
    first = FirstStage(deepcopy(model), seen, unseen) if len(unseen) else None
    evidence = Evidence(learnt, shop.catalog, items, first)
    held_out = HeldOut.read(kept_back, shop.catalog, config.validation)
    return model, finish(model, evidence, config, held_out), evidence


def test_the_gate_is_fitted_to_what_no_part_of_the_model_has_met(shop: Shop) -> None:
    model, ending, evidence = ended(shop, terms={"dim": 8}, memory={"neighbours": 4})
    assert ending.terms is not None
    assert ending.memory is not None
    assert ending.gate is not None
    assert ending.gate.clicks > 0
    first = evidence.first
    assert first is not None
    assert ending.gate.clicks == len(first.unseen)
    # Stage one's model has been given a memory that counts as the other does, but of the clicks that it saw alone.
    assert first.model.memory is not None
    assert model.memory is not None
    clicked = np.unique(Pairs.from_clicks(first.seen, shop.catalog).items)
    assert first.model.memory.names.tolist() == np.sort(item_names(shop.catalog)[clicked]).tolist()
    assert len(model.memory) > len(first.model.memory)
    assert first.model.memory.multimodal_weight == model.memory.multimodal_weight
    lesson = GateLesson.read(first.model, first.unseen, shop.catalog, evidence.items)
    found = model.gate.weight.clone()
    assert found.any()
    assert fit_gate(model, lesson, [1.0]) == ending.gate
    assert torch.equal(model.gate.weight, found)


def test_terms_that_count_for_the_model_count_for_its_lesson_too(shop: Shop) -> None:
    model, _, evidence = ended(shop, terms={"dim": 8})
    first, config = (
        evidence.first,
        ExperimentConfig.model_validate({"terms": {"epochs": 2, "least_queries": 1}}),
    )
    assert first is not None
    assert first.model.terms is None
    plain = first.lesson(model, evidence, config)
    fit_terms(model, Pairs.from_clicks(evidence.clicks, shop.catalog), evidence.items, config.terms)
    assert model.terms is not None
    model.terms.weight.fill_(0.5)
    with_terms = first.lesson(model, evidence, config)
    assert first.model.terms is not None
    assert first.model.terms.weight == model.terms.weight
    assert not torch.equal(plain.gain, with_terms.gain)


def test_without_clicks_kept_from_stage_one_the_gate_stays_as_it_was(shop: Shop) -> None:
    model, ending, _ = ended(shop, kept=0.0, memory={"neighbours": 4})
    assert ending.memory is not None
    assert ending.gate is None
    assert not model.gate.weight.any()


def test_without_terms_or_memory_the_gate_stays_as_stage_two_left_it(shop: Shop) -> None:
    model, ending, _ = ended(shop)
    assert ending == Ending()
    assert not model.gate.weight.any()


def test_a_gate_per_category_has_chosen_before(shop: Shop) -> None:
    _, ending, _ = ended(shop, memory={"neighbours": 4}, gate={"per": "category"})
    assert ending.memory is not None
    assert ending.gate is None


def test_some_of_the_items_are_those_rows_of_the_catalogue(shop: Shop) -> None:
    _, kept_back = shop.clicks().split(0.3, seed=1)
    whole = HeldOut.read(kept_back, shop.catalog, ValidationConfig())
    some = whole.among(int(whole.is_clicked.sum()) + 5, seed=0)
    assert len(some.catalog) == whole.is_clicked.sum() + 5
    assert [shop.catalog.item_ids[row] for row in some.rows] == some.catalog.item_ids
    assert some.is_clicked.sum() == whole.is_clicked.sum()
    assert np.array_equal(whole.among(10**6, seed=0).rows, whole.rows)
