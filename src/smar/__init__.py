"""SMAR: text queries meet text-and-image products. The public names, imported when they are first used.

Knows where each name lives, so that `import smar` and the command line start without loading torch.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smar.data.shop import Shop
    from smar.errors import SmarError
    from smar.evaluation.compare import compare
    from smar.evaluation.evaluate import evaluate
    from smar.experiment.config import ExperimentConfig
    from smar.model.smar import SMAR
    from smar.retrieval.engine import SearchEngine
    from smar.retrieval.lexical import BM25
    from smar.training.adapt import adapt
    from smar.training.pretrain import pretrain

# onnxruntime would keep an id of the machine in the user's home, and report to its makers, if it is not told otherwise.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__all__ = [
    "BM25",
    "SMAR",
    "ExperimentConfig",
    "SearchEngine",
    "Shop",
    "SmarError",
    "adapt",
    "compare",
    "evaluate",
    "pretrain",
]

_HOMES = {
    "BM25": "smar.retrieval.lexical",
    "SMAR": "smar.model.smar",
    "ExperimentConfig": "smar.experiment.config",
    "SearchEngine": "smar.retrieval.engine",
    "Shop": "smar.data.shop",
    "SmarError": "smar.errors",
    "adapt": "smar.training.adapt",
    "compare": "smar.evaluation.compare",
    "evaluate": "smar.evaluation.evaluate",
    "pretrain": "smar.training.pretrain",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("smar")
    if name not in _HOMES:
        raise AttributeError(f"module 'smar' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
