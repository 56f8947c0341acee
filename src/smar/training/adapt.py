"""Stage two, adaptive learning: the gate learns which queries need the image, and the towers adapt to its choice.

Knows what is learnt and in which order; the loop knows how.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from smar.config import Config
from smar.data.catalog import Catalog
from smar.data.clicks import ClickConfig
from smar.data.shop import Shop
from smar.errors import ConfigError
from smar.model.smar import SMAR
from smar.model.sources import in_categories
from smar.training.gate import GateFit, GateLesson, close_categories, fit_gate
from smar.training.loop import Fit, LoopConfig, Validate, fit
from smar.training.objectives import expected_loss, weighted_mean
from smar.training.pairs import PairBatch
from smar.training.stage import BatchVectors, Material, clicks_to_learn, split_for_gate, task_losses


class AdaptationLoopConfig(LoopConfig):
    """The loop with stage two's defaults: short and slow, for what stage one learnt."""

    epochs: int = Field(default=1, ge=0)
    """How often every pair is seen; zero leaves the towers as they are, and only the gate learns."""
    learning_rate: float = Field(default=1e-4, gt=0)
    """Peak learning rate of the towers."""
    encoder_learning_rate: float = Field(default=1e-5, gt=0)
    """Peak learning rate of what is trained of pretrained encoders."""


class AdaptationConfig(Config):
    """Stage two: fine-tuning in which P(q) decides between text and multimodal vectors."""

    gate_penalties: tuple[float, ...] = Field(default=(5.0, 20.0, 80.0, 320.0, 1280.0), min_length=1)
    """How strongly all queries are held at one common value of the gate, in clicks of evidence; clicks on items that
    a gate was not fitted to choose one of these."""
    loop: AdaptationLoopConfig = AdaptationLoopConfig()
    """Steps, learning rates and stopping."""


@dataclass(frozen=True)
class Adaptation:
    """Stage two as the loop sees it: the towers minimise the loss to expect from the gate's choice."""

    name: str = "adaptation"

    def losses(self, model: SMAR, batch: PairBatch, vectors: BatchVectors) -> dict[str, Float[Tensor, ""]]:
        """`loss`, both sides' means, and the mean gate."""
        tasks = task_losses(model, batch, vectors)
        # What a query means must not bend to its gate.
        gate = model.gate(tasks.queries.detach())
        return {
            "loss": weighted_mean(expected_loss(gate, tasks.text, tasks.multimodal), tasks.weights),
            "text": weighted_mean(tasks.text, tasks.weights),
            "multimodal": weighted_mean(tasks.multimodal, tasks.weights),
            "gate": torch.sigmoid(gate).mean(),
        }


def adapt(
    model: SMAR,
    shop: Shop,
    config: AdaptationConfig = AdaptationConfig(),  # noqa: B008 (frozen)
    clicks: ClickConfig = ClickConfig(),  # noqa: B008 (frozen)
    validate: Validate | None = None,
) -> tuple[Fit, GateFit]:
    """Run stage two on a shop's click log, in place, after `pretrain` with the same `clicks`.

    As there, query terms and memory that the model has are taken away.

    Raises:
        ConfigError: the model has one kind of vector only, so there is nothing to choose between.
    """
    if not model.has_gate:
        raise ConfigError(f"fusion.kind = {model.config.fusion.kind!r}: such a model has no gate to adapt")
    model.forget()
    log = clicks_to_learn(shop, clicks)
    items = model.read_items(shop.catalog)
    lesson = GateLesson.read(model, split_for_gate(model, log, clicks)[1], shop.catalog, items)
    material = Material.read(model, log, shop.catalog, items, own_words=config.loop.own_words)
    return learn_both(model, lesson, material, shop.catalog, config, validate=validate)


def learn_both(
    model: SMAR,
    lesson: GateLesson,
    material: Material,
    catalog: Catalog,
    config: AdaptationConfig,
    *,
    validate: Validate | None = None,
    home: Path | None = None,
) -> tuple[Fit, GateFit]:
    """Fit the gate to what stage one did not see, train the towers by it, and fit it to where the queries moved.

    What the gate is worth is told of the first fit: after it, the towers have seen its clicks. Validations of the
    stage are of the first fit too. A gate per category (`model.gate.per`) is chosen once: no photo that it closes
    can be ranked again.
    """
    per_category = model.config.gate.per == "category"
    if per_category:
        worth = close_categories(model, lesson)
        material.items.leave_out_photos(in_categories(catalog, model.config.gate.closed))
    else:
        worth = fit_gate(model, lesson, config.gate_penalties)
    stage = fit(model, Adaptation(), material, config.loop, validate=validate, home=home, is_trained=True)
    if not per_category:
        fit_gate(model, lesson, [worth.penalty])
    return stage, worth
