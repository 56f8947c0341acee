"""A model on disk: a folder with its settings, weights, tokenizer and fingerprint. Opens no pickle.

Knows the folder's form; nothing of what the weights compute.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from smar.errors import ModelError
from smar.files import whole_folder

if TYPE_CHECKING:
    from smar.model.smar import SMAR

FOLDER = "model"
"""What a run calls the folder of its model."""
HEADER = "model.json"
WEIGHTS = "model.safetensors"
TEXT = "text_encoder"
IMAGE = "image_encoder"
_FORMAT = 3


@dataclass(frozen=True)
class Header:
    """What `model.json` says: settings as plain values, fingerprint, how many query terms and clicked items it has."""

    config: dict[str, Any]
    fingerprint: str
    terms: int
    memory: int


def write(folder: Path, model: SMAR) -> None:
    """Write `model` to `folder`, whole or not at all; an existing folder is replaced."""
    with whole_folder(folder) as part:
        (part / TEXT).mkdir()
        model.text_encoder.save_architecture(part / TEXT)
        if model.image_encoder is not None:
            (part / IMAGE).mkdir()
            model.image_encoder.save_architecture(part / IMAGE)
        save_file(distinct_state(model), part / WEIGHTS)
        header = {
            "format": _FORMAT,
            "fingerprint": model.fingerprint,
            "terms": 0 if model.terms is None else len(model.terms.hashes),
            "memory": 0 if model.memory is None else len(model.memory),
            "config": json.loads(model.config.model_dump_json()),
        }
        (part / HEADER).write_text(json.dumps(header, indent=2) + "\n", encoding="utf-8")


def read_header(folder: Path) -> Header:
    """Read `model.json`.

    Raises:
        ModelError: it is missing, unreadable or of another format.
    """
    path = folder / HEADER
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
        if header["format"] != _FORMAT:
            raise ModelError(
                f"{path}: has format {header['format']}, this version reads {_FORMAT}; train it again"
            )
        terms, memory = (int(header.get(name, 0)) for name in ("terms", "memory"))
        if min(terms, memory) < 0:
            raise ValueError(f"terms = {terms}, memory = {memory}")
        return Header(header["config"], header["fingerprint"], terms, memory)
    except FileNotFoundError as error:
        raise ModelError(f"{folder}: holds no model (no {HEADER}); train one with `smar train`") from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: is no model's header ({error!r}); train it again") from error


def read_weights(folder: Path, model: SMAR, header: Header) -> None:
    """Load the weights into `model` and compare the fingerprint.

    Raises:
        ModelError: weights are missing, unreadable, for another network, or not those that were written.
    """
    path = folder / WEIGHTS
    try:
        load_distinct_state(model, load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(
            f"{path}: cannot be loaded ({str(error).splitlines()[0]}); train it again"
        ) from error
    if model.fingerprint != header.fingerprint:
        raise ModelError(f"{path}: is not what was written with {folder / HEADER}; train it again")


def distinct_state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Every weight and buffer once, under the first of its names: a shared encoder is not written twice."""
    seen: dict[int, str] = {}
    state = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        if seen.setdefault(id(tensor), name) == name:
            state[name] = tensor.detach().cpu().contiguous()
    return state


def load_distinct_state(model: torch.nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Load what `distinct_state` gave; every name must fit.

    Raises:
        RuntimeError: a name is missing or unknown, or a shape differs.
    """
    expected = distinct_state(model).keys()
    if expected != state.keys():
        raise RuntimeError(f"names differ: {sorted(expected ^ state.keys())[:5]}")
    model.load_state_dict(state, strict=False)
