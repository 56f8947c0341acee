"""The end of a run: held-out clicks judge among all items, and the gate is fitted to the vectors as they end."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model_fakes import small_config, write_shop
from smar.data.shop import Shop
from smar.experiment.config import ExperimentConfig
from smar.experiment.finish import Ending, Evidence, finish
from smar.experiment.validation import HeldOut, ValidationConfig
from smar.model.smar import SMAR
from smar.training.gate import GateLesson, fit_gate
from smar.training.pairs import Pairs
from smar.training.pretrain import calibrate
from smar.training.stage import Material


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return write_shop(tmp_path_factory.mktemp("finish") / "shop", copies=3)


def ended(shop: Shop, **settings: object) -> tuple[SMAR, Ending, Evidence]:
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
    calibrate(model, Material.read(model, learnt, shop.catalog, items))
    evidence = Evidence(
        Pairs.from_clicks(learnt, shop.catalog),
        items,
        lambda model: GateLesson.read(model, learnt, shop.catalog, items),
    )
    held_out = HeldOut.read(kept_back, shop.catalog, config.validation)
    return model, finish(model, evidence, config, held_out), evidence


def test_the_gate_is_fitted_to_the_vectors_as_they_end(shop: Shop) -> None:
    model, ending, evidence = ended(shop, terms={"dim": 8}, memory={"neighbours": 4})
    assert ending.terms is not None
    assert ending.memory is not None
    assert model.terms is not None or model.memory is not None
    assert ending.gate is not None
    assert ending.gate.clicks > 0
    found = model.gate.weight.clone()
    assert found.any()
    assert fit_gate(model, evidence.read_lesson(model), [1.0]) == ending.gate
    assert torch.equal(model.gate.weight, found)


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
