"""A stage's state on disk: weights, optimiser, and how far it has come. Opens no pickle.

Knows tensors and numbers; nothing of what is learnt.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from smar.errors import ModelError
from smar.files import whole_folder
from smar.model.store import distinct_state, load_distinct_state

_PROGRESS, _MODEL, _OPTIMIZER, _BEST, _NEGATIVES = (
    "progress.json",
    "model.safetensors",
    "optimizer.safetensors",
    "best.safetensors",
    "negatives.safetensors",
)


@dataclass
class Progress:
    """How far a stage has come: steps taken, validations, smoothed losses, and what later steps need."""

    step: int = 0
    validations: list[tuple[int, float]] = field(default_factory=list)
    smooth: dict[str, float] = field(default_factory=dict)
    is_over: bool = False
    best: dict[str, Tensor] | None = None
    """Weights of the best validation."""
    negatives: Tensor | None = None
    """Those of the epoch under way, if it has mined ones (`smar.training.negatives`)."""

    def keep_best(self, model: nn.Module) -> None:
        """Copy the model's weights as those of the best validation."""
        self.best = {name: tensor.clone() for name, tensor in distinct_state(model).items()}

    def restore_best(self, model: nn.Module) -> None:
        """Give the model the weights of the best validation."""
        assert self.best is not None
        load_distinct_state(model, self.best)


class Checkpoint:
    """A folder that holds a stage's last state, replaced as a whole at each save."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def exists(self) -> bool:
        """Whether there is a state to continue from."""
        return (self.folder / _PROGRESS).exists()

    def is_over(self) -> bool:
        """Whether there is a sound state, of a stage that had come to its end."""
        try:
            facts = json.loads((self.folder / _PROGRESS).read_text(encoding="utf-8"))
            needed = [_MODEL, _OPTIMIZER]
            needed += [_BEST] if facts["validations"] else []
            needed += [_NEGATIVES] if facts.get("has_negatives") else []
            for name in needed:
                load_file(self.folder / name)
            return bool(facts["is_over"])
        except (OSError, ValueError, KeyError, SafetensorError):
            return False

    def copy_to(self, folder: Path) -> None:
        """Copy the state to another folder, whole or not at all."""
        with whole_folder(folder) as part:
            shutil.copytree(self.folder, part, dirs_exist_ok=True)

    def save(self, model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
        """Write the state, whole or not at all."""
        with whole_folder(self.folder) as part:
            save_file(distinct_state(model), part / _MODEL)
            save_file(_moments(optimizer), part / _OPTIMIZER)
            if progress.best is not None:
                save_file(progress.best, part / _BEST)
            if progress.negatives is not None:
                save_file({"rows": progress.negatives}, part / _NEGATIVES)
            facts = {
                "step": progress.step,
                "validations": progress.validations,
                "smooth": progress.smooth,
                "is_over": progress.is_over,
                "has_negatives": progress.negatives is not None,
            }
            (part / _PROGRESS).write_text(json.dumps(facts) + "\n", encoding="utf-8")

    def load(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
        """Give `model` and `optimizer` the saved state, and return how far it had come.

        Raises:
            ModelError: the state is damaged or belongs to another model.
        """
        try:
            facts = json.loads((self.folder / _PROGRESS).read_text(encoding="utf-8"))
            load_distinct_state(model, load_file(self.folder / _MODEL))
            _restore_moments(optimizer, load_file(self.folder / _OPTIMIZER))
            return Progress(
                step=facts["step"],
                validations=[(step, figure) for step, figure in facts["validations"]],
                smooth=facts["smooth"],
                is_over=facts["is_over"],
                best=load_file(self.folder / _BEST) if facts["validations"] else None,
                negatives=load_file(self.folder / _NEGATIVES)["rows"] if facts.get("has_negatives") else None,
            )
        except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
            raise ModelError(
                f"{self.folder}: cannot be continued ({str(error).splitlines()[0]}); train into a new folder"
            ) from error


def _moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's tensors under `PARAMETER.NAME`, parameters numbered in the order of its groups."""
    return {
        f"{number}.{name}": tensor.detach().cpu().contiguous()
        for number, state in optimizer.state_dict()["state"].items()
        for name, tensor in state.items()
    }


def _restore_moments(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        number, name = key.split(".", 1)
        state.setdefault(int(number), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
