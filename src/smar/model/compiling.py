"""Compiles a model's query tower for onnxruntime, with weights as 8-bit integers. Knows the model; runs nothing."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from smar.errors import ModelError
from smar.files import whole_folder
from smar.model.compiled import FORMAT, GRAPH, HEADER, RARITY, TOKENIZER
from smar.model.smar import SMAR

_BITS = 8
_BLOCK = 32
"""Weights of a row that share a scale. Over 711 queries of mart whose clicks were held out, blocks of 32 changed R@50
by .0002 (+- .0027), one scale for a whole column by -.0020 (+- .0059): docs/experiments.md."""
_OPSET = 21


def compile_queries(model: SMAR, folder: Path) -> None:
    """Write the query tower to `folder`, whole or not at all, for `CompiledQueries.load`; an old one is replaced.

    Raises:
        ModelError: the text encoder computes something that cannot be compiled.
    """
    with whole_folder(folder) as part:
        _write_graph(model, part / GRAPH)
        model.query_encoder.tokenizer.save(str(part / TOKENIZER))
        rarity = np.empty(0, np.float32) if model.lexical is None else model.lexical.rarity.cpu().numpy()
        np.save(part / RARITY, rarity, allow_pickle=False)
        if model.terms is not None:
            model.terms.table().save(part)
        header = {
            "format": FORMAT,
            "model": model.fingerprint,
            "gate_threshold": model.gate_threshold,
            "max_query_tokens": model.config.text.max_query_tokens,
            "lexical_dim": 0 if model.lexical is None else model.lexical.dim,
            "terms": 0 if model.terms is None else len(model.terms.hashes),
        }
        (part / HEADER).write_text(json.dumps(header, indent=2) + "\n", encoding="utf-8")


class _Queries(nn.Module):
    """One query's token ids and sketch become Q(q) and P(q)."""

    def __init__(self, model: SMAR) -> None:
        super().__init__()
        self.network = model.query_encoder.network
        self.tower = model.query_tower
        self.lexical = model.lexical
        self.gate = model.gate if model.has_gate else None

    def forward(
        self, ids: Int[Tensor, "1 token"], sketch: Float[Tensor, "1 lexical"] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Q(q) [1, dim] and P(q) [1]."""
        states = self.network(input_ids=ids).last_hidden_state
        vector = self.tower(states, torch.ones_like(ids, dtype=torch.bool)).vectors
        if self.lexical is not None and sketch is not None:
            vector = self.lexical.with_query_words(vector, sketch)
        gate = torch.ones_like(vector[:, 0]) if self.gate is None else torch.sigmoid(self.gate(vector))
        return vector, gate


def _write_graph(model: SMAR, path: Path) -> None:
    example = {"ids": torch.arange(1, 8)[None].to(model.device)}
    shapes: dict[str, dict[int, torch.export.Dim]] = {"ids": {1: torch.export.Dim("tokens", min=2)}}
    if model.lexical is not None:
        example["sketch"] = model.lexical.codes[:1]
        shapes["sketch"] = {}
    was_training = model.training
    try:
        with _quietly(), torch.no_grad():
            from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

            program = torch.onnx.export(
                _Queries(model.eval()),
                kwargs=example,
                dynamic_shapes=shapes,
                input_names=list(example),
                output_names=["vector", "gate"],
                opset_version=_OPSET,
                dynamo=True,
                verbose=False,
            )
            assert program is not None
            quantizer = MatMulNBitsQuantizer(
                program.model_proto, bits=_BITS, block_size=_BLOCK, is_symmetric=True, accuracy_level=4
            )
            quantizer.process()
            quantizer.model.save_model_to_file(str(path))
    except Exception as error:  # The exporter's errors have no common kind.
        reason = str(error).strip().splitlines()[0]
        raise ModelError(
            f"text encoder {model.config.text.name!r}: its queries cannot be compiled ({reason}); "
            "set compile_queries = false to search with the model itself"
        ) from error
    finally:
        model.train(was_training)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without what the exporter and the quantizer say of themselves: nothing that a user can act on."""
    previous = logging.root.manager.disable
    # The quantizer's import sets logging up for the whole process, and other libraries would be heard from then on.
    handlers, level = logging.root.handlers[:], logging.root.level
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(previous)
        logging.root.handlers[:] = handlers
        logging.root.setLevel(level)
