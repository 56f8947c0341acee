"""Stage one, multi-task pre-training: contrastive tasks bring queries to item texts, item images and both.

Knows what is learnt; the loop knows how.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from smar.config import Config
from smar.data.clicks import ClickConfig
from smar.data.shop import Shop
from smar.model.smar import SMAR
from smar.training.loop import Fit, LoopConfig, Validate, fit
from smar.training.objectives import weighted_mean
from smar.training.pairs import PairBatch
from smar.training.stage import Material, clicks_to_learn, sample_rows, split_for_gate, task_losses

_CALIBRATION_PHOTOS = 2048


class PretrainingConfig(Config):
    """Stage one: L = alpha L_t + beta L_i + gamma L_m."""

    alpha: float = Field(default=1.0, ge=0)
    """Weight of semantic projection: query and item text."""
    beta: float = Field(default=1.0, ge=0)
    """Weight of modality alignment: query and item image."""
    gamma: float = Field(default=1.0, ge=0)
    """Weight of asymmetric modality alignment: query and item multimodal."""
    loop: LoopConfig = LoopConfig()
    """Steps, learning rates and stopping."""


@dataclass(frozen=True)
class Pretraining:
    """Stage one as the loop sees it."""

    config: PretrainingConfig
    name: str = "pretraining"

    def losses(self, model: SMAR, batch: PairBatch, material: Material) -> dict[str, Float[Tensor, ""]]:
        """`loss` and the three tasks' means."""
        tasks = task_losses(model, batch, material)
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

    For checkpoints, resuming and validation over the catalogue use `smar.experiment.train`, which calls the same loop.
    """
    log, unseen = split_for_gate(model, clicks_to_learn(shop, clicks), clicks)
    items = model.read_items(shop.catalog)
    own_words = config.loop.own_words
    material = Material.read(model, log, shop.catalog, items, own_words=own_words, unseen=unseen)
    calibrate(model, material)
    return fit(model, Pretraining(config), material, config.loop, validate=validate)


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
