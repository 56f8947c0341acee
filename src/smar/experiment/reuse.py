"""Stages that another run has ended by the same settings, taken from it instead of learnt once more.

Knows which settings decide a stage; learns nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from smar.errors import ConfigError
from smar.experiment.config import ExperimentConfig
from smar.experiment.runs import CONFIG
from smar.training.adapt import Adaptation
from smar.training.loop import copy_stage, has_begun, has_ended

_END: dict[str, Any] = {
    "terms": True,
    "memory": True,
    "model": {"terms", "memory"},
    "validation": {"last_candidates"},
    "index": True,
    "compile_queries": True,
    "groups": True,
}
"""What decides the end of a run, or what comes after it, and no weight of its towers."""


def reuse(stage: str, config: ExperimentConfig, out: Path, others: Iterable[Path]) -> Path | None:
    """Give the run in `out` a stage that one of the `others` has ended; return which, or None.

    On a CPU the run ends with the weights that it would have had by itself, bit for bit. A stage that `out` has begun
    is left alone.

    Args:
        stage: its name.
        config: of the run, whose folder holds its settings already.
        out: the run's folder.
        others: folders of runs, or of what was to become one.
    """
    if has_begun(out, stage):
        return None
    shop = _settings(out)["shop_fingerprint"]
    for other in others:
        if other == out or not (other / CONFIG).exists() or not has_ended(other, stage):
            continue
        found = _settings(other)
        try:
            settings = ExperimentConfig.check(found["config"], where=str(other / CONFIG))
        except ConfigError:
            continue  # Of another version, which knew other settings.
        alike = _decisive(settings, stage) == _decisive(config, stage)
        if alike and found["shop_fingerprint"] == shop:
            copy_stage(other, out, stage)
            return other
    return None


def _settings(run: Path) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads((run / CONFIG).read_text(encoding="utf-8"))
    return settings


def _decisive(config: ExperimentConfig, stage: str) -> dict[str, Any]:
    later = _END if stage == Adaptation().name else _END | {"adaptation": True}
    return config.model_dump(exclude=later)
