"""Stages that another run has ended by the same settings, taken from it instead of learnt once more.

Knows which settings decide a stage; learns nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smar.errors import ConfigError
from smar.experiment.config import ExperimentConfig
from smar.experiment.runs import CONFIG
from smar.training.adapt import Adaptation
from smar.training.loop import copy_stage, has_begun, has_ended
from smar.training.pretrain import Pretraining

_DECIDES_NO_STAGE: dict[str, Any] = {
    "terms": True,
    "memory": True,
    "model": {"terms": True, "memory": True},
    "validation": {"last_candidates"},
    "index": True,
    "compile_queries": True,
    "groups": True,
}
"""What decides the end of a run, or what comes after it."""
_DECIDES_STAGE_TWO_ALONE: dict[str, Any] = {
    "adaptation": True,
    "model": {"terms": True, "memory": True, "gate": {"per"}},
}
"""As `exclude` of pydantic takes it, like the other; `model` repeats what is left out there."""


@dataclass(frozen=True)
class Reused:
    """Which stages were taken, and from which run's folder."""

    stages: tuple[str, ...]
    source: Path


def reuse(
    config: ExperimentConfig, shop_fingerprint: str, out: Path, others: Iterable[Path]
) -> Reused | None:
    """Give the run in `out`, unless it has begun, what one of `others` has ended: both stages, or else stage one.

    On the same CPU, by the same version and over the same photos the run ends with the weights that it would have had
    by itself, bit for bit. Version, machine and photos are not compared, as they are not where a run is resumed.

    Args:
        config: of the run.
        shop_fingerprint: of its shop.
        out: its folder.
        others: runs' folders; one that holds no run, or a damaged one, is passed over.
    """
    one, two = Pretraining.name, Adaptation.name
    if has_begun(out, one) or has_begun(out, two):
        return None
    runs = [(other, settings) for other in others if (settings := _settings(other, shop_fingerprint))]
    for stages in ((one, two), (one,)):
        for other, settings in runs:
            if all(_is_alike(settings, config, stage) and has_ended(other, stage) for stage in stages):
                for stage in stages:
                    copy_stage(other, out, stage)
                return Reused(stages, other)
    return None


def _settings(run: Path, shop_fingerprint: str) -> ExperimentConfig | None:
    """What a run was begun with, if it is one over this shop, of a version that knew the same settings."""
    path = run / CONFIG
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        settings = ExperimentConfig.check(found["config"], where=str(path))
        return settings if found["shop_fingerprint"] == shop_fingerprint else None
    except (OSError, ValueError, TypeError, KeyError, ConfigError):
        return None


def _is_alike(one: ExperimentConfig, other: ExperimentConfig, stage: str) -> bool:
    left_out = _DECIDES_NO_STAGE
    if stage == Pretraining.name:
        left_out = _DECIDES_NO_STAGE | _DECIDES_STAGE_TWO_ALONE
    return one.model_dump(exclude=left_out) == other.model_dump(exclude=left_out)
