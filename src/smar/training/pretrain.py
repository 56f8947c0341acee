"""Stage one, multi-task pre-training: contrastive tasks bring queries to item texts, item images and both.

Knows what is learnt; the loop knows how.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from smar.config import Config
from smar.data.clicks import ClickConfig
from smar.data.shop import Shop
from smar.model.pooled import PooledTexts, pooled_items
from smar.model.smar import SMAR
from smar.training.loop import Fit, LoopConfig, Validate, fit
from smar.training.objectives import weighted_mean
from smar.training.pairs import PairBatch
from smar.training.stage import (
    BatchVectors,
    Material,
    clicks_to_learn,
    sample_rows,
    split_for_gate,
    task_losses,
)

_CALIBRATION_PHOTOS = 2048


class StartConfig(LoopConfig):
    """The start of stage one: linear maps learn on states that the encoders pool once, so an epoch takes seconds."""

    epochs: int = Field(default=20, ge=0)
    """How often every pair is seen; zero leaves the start out."""
    learning_rate: float = Field(default=1e-3, gt=0)
    """Peak learning rate of the linear maps."""


class PretrainingConfig(Config):
    """Stage one: L = alpha L_t + beta L_i + gamma L_m."""

    alpha: float = Field(default=1.0, ge=0)
    """Weight of semantic projection: query and item text."""
    beta: float = Field(default=1.0, ge=0)
    """Weight of modality alignment: query and item image."""
    gamma: float = Field(default=1.0, ge=0)
    """Weight of asymmetric modality alignment: query and item multimodal."""
    start: StartConfig = StartConfig()
    """The same tasks before, for the towers' linear maps alone."""
    loop: LoopConfig = LoopConfig()
    """Steps, learning rates and stopping."""


@dataclass(frozen=True)
class Pretraining:
    """Stage one as the loop sees it."""

    config: PretrainingConfig
    name: str = "pretraining"

    def losses(self, model: SMAR, batch: PairBatch, vectors: BatchVectors) -> dict[str, Float[Tensor, ""]]:
        """`loss` and the three tasks' means."""
        tasks = task_losses(model, batch, vectors)
        text = weighted_mean(tasks.text, tasks.weights)
        image = weighted_mean(tasks.image, tasks.weights[tasks.with_image])
        multimodal = weighted_mean(tasks.multimodal, tasks.weights)
        loss = self.config.alpha * text + self.config.beta * image + self.config.gamma * multimodal
        return {"loss": loss, "text": text, "image": image, "multimodal": multimodal}


def pretrain(
    model: SMAR,
    shop: Shop,
    config: PretrainingConfig = PretrainingConfig(),  # noqa: B008 (frozen)
    clicks: ClickConfig = ClickConfig(),  # noqa: B008 (frozen)
    validate: Validate | None = None,
) -> Fit:
    """Run stage one on a shop's click log, in place; the queries and items that `clicks` holds back stay unseen.

    Query terms and memory that the model has are taken away: they are learnt from finished towers
    (`smar.training.terms`, `smar.training.remember`).
    For checkpoints, resuming and validation over the catalogue use `smar.experiment.train`, which calls the same loop.
    """
    model.forget()
    log, unseen = split_for_gate(model, clicks_to_learn(shop, clicks), clicks)
    items = model.read_items(shop.catalog)
    own_words = config.loop.own_words
    material = Material.read(model, log, shop.catalog, items, own_words=own_words, unseen=unseen)
    calibrate(model, material)
    start(model, material, config)
    is_trained = config.start.epochs > 0
    return fit(model, Pretraining(config), material, config.loop, validate=validate, is_trained=is_trained)


def start(model: SMAR, material: Material, config: PretrainingConfig) -> Fit:
    """Learn the towers' linear maps, in place, before encoders and attention learn too (our choice).

    What this gives is the strongest of simple models, a linear sum of pooled features: attention, whose layers change
    nothing at first, departs from there instead of having to find the way to it.
    """
    pooling = model.config.pooling
    if not config.start.epochs:
        return Fit("start", 0, (), None, 0.0)
    queries, items = PooledTexts(material.queries, pooling), pooled_items(material.items, pooling)
    pooled = replace(material, queries=queries, items=items)
    with model.without_attention():
        return fit(model, Pretraining(config, "start"), pooled, config.start)


def calibrate(model: SMAR, material: Material) -> None:
    """Measure what scales inputs: how rare words are in the catalogue, and the statistics of some of its photos."""
    if model.lexical is not None:
        model.lexical.measure(material.items.texts.grams)
    images = material.items.images
    if model.image_tower is None or images is None or not images.has_image.any():
        return
    rows = sample_rows(images.has_image, _CALIBRATION_PHOTOS, model.config.seed)
    with torch.no_grad():
        model.image_tower.calibrate(images.states(rows))
