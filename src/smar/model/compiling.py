"""Compiles a model's query tower for onnxruntime, which multiplies it in 8-bit integers. Knows the model."""

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
from smar.model.compiled import FORMAT, GRAPH, HEADER, RARITY, TOKENIZER, CompiledQueries
from smar.model.smar import SMAR
from smar.model.smoothing import smooth

_OPSET = 23
"""The first in which attention is one operator."""
_SAMPLED = 512
"""Made-up texts, of one to eight tokens each, that show how large the encoder's states become."""
_TRIED = ["red shirt", "usb cable 2 m", "a gift for my grandmother"]
_LEAST_LIKE = 0.98
"""Cosine of what is compiled to the model's own vectors of these texts; below, too much is lost in 8 bits."""


def compile_queries(model: SMAR, folder: Path) -> None:
    """Write the query tower to `folder`, whole or not at all, for `CompiledQueries.load`; an old one is replaced.

    Raises:
        ModelError: the text encoder computes something that cannot be compiled, or other vectors in 8 bits.
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
        like = _likeness(model, CompiledQueries(part))
        if not like >= _LEAST_LIKE:
            raise _cannot_be_compiled(model, f"in 8 bits its vectors are not the model's, cosine {like:.3f}")


class _Queries(nn.Module):
    """One query's token ids and sketch become Q(q) and P(q)."""

    def __init__(self, model: SMAR) -> None:
        super().__init__()
        self.network = smooth(model.query_encoder.network, _made_up_texts(model))
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
            from onnxruntime.quantization import QuantType, quantize_dynamic

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
            exported = program.model_proto
            # The exporter's shapes of what lies between are not always those that the quantizer infers.
            del exported.graph.value_info[:]
            quantize_dynamic(
                exported,
                path,
                # The encoder's. Those of tower and gate are `Gemm`, which would be taken for `MatMul` too.
                nodes_to_quantize=[node.name for node in exported.graph.node if node.op_type == "MatMul"],
                # Signed ones are faster, but where a processor lacks the right instruction their sums overflow.
                weight_type=QuantType.QUInt8,
                per_channel=True,
            )
    except Exception as error:  # The exporter's errors have no common kind.
        raise _cannot_be_compiled(model, str(error).strip().splitlines()[0]) from error
    finally:
        model.train(was_training)


def _made_up_texts(model: SMAR) -> Iterator[Int[Tensor, "1 token"]]:
    tokenizer, random = model.query_encoder.tokenizer, np.random.default_rng(0)
    for number in range(_SAMPLED):
        text = tokenizer.decode(random.integers(0, tokenizer.get_vocab_size(), 1 + number % 8).tolist())
        yield torch.tensor([tokenizer.encode(text).ids], device=model.device)


def _likeness(model: SMAR, compiled: CompiledQueries) -> float:
    """The least cosine of the vectors of some texts to the model's own, without spelling and terms."""
    own, found = (one.embed_queries(_TRIED).vectors[:, : model.config.dim] for one in (model, compiled))
    norms = np.linalg.norm(own, axis=1) * np.linalg.norm(found, axis=1)
    return float(((own * found).sum(1) / np.maximum(norms, 1e-12)).min())


def _cannot_be_compiled(model: SMAR, reason: str) -> ModelError:
    return ModelError(
        f"text encoder {model.config.text.name!r}: its queries cannot be compiled ({reason}); "
        "set compile_queries = false to search with the model itself"
    )


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
