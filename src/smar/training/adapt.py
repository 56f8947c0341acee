"""Stage two, adaptive learning: the gate learns which queries need the image, and the towers adapt to its choice.

Knows what is learnt; the loop knows how, and the caller chooses the threshold on held-out clicks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from smar.config import Config
from smar.data.clicks import ClickLog
from smar.data.shop import Shop
from smar.errors import ConfigError
from smar.model.smar import SMAR
from smar.training.loop import Fit, LoopConfig, Validate, fit
from smar.training.objectives import expected_loss, gate_label_loss, weighted_mean
from smar.training.pairs import PairBatch
from smar.training.stage import Material, clicks_to_learn, task_losses


class AdaptationLoopConfig(LoopConfig):
    """The loop with stage two's defaults: short and slow for what stage one learnt, quick for the new gate."""

    epochs: int = Field(default=1, ge=0)
    """How often every pair is seen; zero leaves the stage out."""
    learning_rate: float = Field(default=1e-4, gt=0)
    """Peak learning rate of the towers."""
    encoder_learning_rate: float = Field(default=1e-5, gt=0)
    """Peak learning rate of what is trained of pretrained encoders."""
    gate_learning_rate: float = Field(default=3e-3, gt=0)
    """Peak learning rate of the gate."""


class AdaptationConfig(Config):
    """Stage two: fine-tuning in which P(q) decides between text and multimodal vectors."""

    objective: Literal["expected", "labels"] = "labels"
    """`expected` minimises p l_m + (1 - p) l_t alone; `labels` also fits p to which vectors did better on each pair."""
    loop: AdaptationLoopConfig = AdaptationLoopConfig()
    """Steps, learning rates and stopping."""


@dataclass(frozen=True)
class Adaptation:
    """Stage two as the loop sees it."""

    config: AdaptationConfig
    name: str = "adaptation"

    def losses(self, model: SMAR, batch: PairBatch, material: Material) -> dict[str, Float[Tensor, ""]]:
        """`loss`, both sides' means, the mean gate, and with labels their loss."""
        tasks = task_losses(model, batch, material)
        # The gate reads the query's vector and leaves it alone: what a query means must not bend to its gate.
        gate = model.gate(tasks.queries.detach())
        losses = {
            "loss": weighted_mean(expected_loss(gate, tasks.text, tasks.multimodal), tasks.weights),
            "text": weighted_mean(tasks.text, tasks.weights),
            "multimodal": weighted_mean(tasks.multimodal, tasks.weights),
            "gate": gate.sigmoid().mean(),
        }
        if self.config.objective == "labels":
            losses["labels"] = weighted_mean(
                gate_label_loss(gate, tasks.text, tasks.multimodal), tasks.weights
            )
            losses["loss"] = losses["loss"] + losses["labels"]
        return losses


def adapt(
    model: SMAR,
    shop: Shop,
    config: AdaptationConfig = AdaptationConfig(),  # noqa: B008 (frozen)
    clicks: ClickLog | None = None,
    validate: Validate | None = None,
) -> Fit:
    """Run stage two on a shop's click log, in place; the gate's threshold stays as it was.

    Raises:
        ConfigError: the model has one kind of vector only, so there is nothing to choose between.
    """
    if not model.has_gate:
        raise ConfigError(f"fusion.kind = {model.config.fusion.kind!r}: such a model has no gate to adapt")
    log = clicks_to_learn(shop) if clicks is None else clicks
    material = Material.read(model, log, shop.catalog, model.read_items(shop.catalog))
    return fit(model, Adaptation(config), material, config.loop, validate=validate)
