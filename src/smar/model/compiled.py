"""The query tower, compiled: words become Q(q) and P(q) by onnxruntime, some ten times as fast as by the model.

Knows a folder that `smar.model.compiling` wrote. Imports no torch, so that a search starts quickly.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnxruntime
from jaxtyping import Float32
from tokenizers import Tokenizer

from smar.errors import ModelError
from smar.model.grams import Grams, signs
from smar.model.term_table import TermTable

FOLDER = "queries"
"""What a run calls the folder of its compiled query tower."""
GRAPH, TOKENIZER, RARITY, HEADER = "queries.onnx", "tokenizer.json", "rarity.npy", "queries.json"
FORMAT = 1


class QueryVectors(NamedTuple):
    """Q(q) [query, dim], of unit length but for the part of query terms, and P(q) [query] of some queries."""

    vectors: Float32[np.ndarray, "query dim"]
    gate: Float32[np.ndarray, " query"]


class CompiledQueries:
    """Embeds queries as the model does that it was compiled from, whose fingerprint it bears.

    Its encoder multiplies 8-bit integers, so that vectors differ a little from the model's (cosine of what the encoder
    says about .998): docs/decisions/0022.
    Each query is embedded alone: that is as fast as together, and no vector depends on its neighbours. Any number
    of threads may embed at once.
    """

    def __init__(self, folder: Path) -> None:
        header = json.loads((folder / HEADER).read_text(encoding="utf-8"))
        if header["format"] != FORMAT:
            raise ValueError(f"has format {header['format']}, this version reads {FORMAT}")
        self.fingerprint: str = header["model"]
        """Of the model that it was compiled from."""
        self.gate_threshold: float = header["gate_threshold"]
        """From this P(q) on, a query meets multimodal vectors."""
        self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        self._tokenizer.no_padding()
        self._most_tokens: int = header["max_query_tokens"]
        self._tokenizer.enable_truncation(self._most_tokens)
        self._rarity = np.load(folder / RARITY, allow_pickle=False)
        self._signs = signs(header["lexical_dim"])
        self._terms = TermTable.load(folder, header["terms"]) if header.get("terms") else None
        self._session = onnxruntime.InferenceSession(
            folder / GRAPH, _one_thread(), providers=["CPUExecutionProvider"]
        )

    @classmethod
    def load(cls, folder: Path) -> CompiledQueries:
        """Read what `compile_queries` wrote.

        Raises:
            ModelError: a file is missing, damaged, or of another version.
        """
        try:
            return cls(folder)
        except Exception as error:  # onnxruntime and tokenizers raise errors of no common kind.
            reason = " ".join(str(error).split())
            raise ModelError(
                f"{folder}: holds no readable query tower ({reason}); index the shop again"
            ) from error

    @classmethod
    def of_run(cls, run: Path) -> CompiledQueries | None:
        """The compiled query tower of a run, if it has one; raises as `load` does."""
        return cls.load(run / FOLDER) if (run / FOLDER).is_dir() else None

    def embed_queries(self, texts: Sequence[str]) -> QueryVectors:
        """Q(q) and P(q) of normalised queries, in their order."""
        found = [self._embed(text) for text in texts]
        dim = self._session.get_outputs()[0].shape[1]
        vectors = np.concatenate([np.empty((0, dim), np.float32), *(vector for vector, _ in found)])
        gates = np.concatenate([np.empty(0, np.float32), *(gate for _, gate in found)])
        return QueryVectors(vectors if self._terms is None else self._terms.join(vectors, texts), gates)

    def cuts(self, text: str) -> bool:
        """Whether a normalised query has more tokens than are read; its end is not searched for."""
        # A token has a byte at least, and two more mark the ends: most queries need not be looked at.
        return len(text.encode()) + 2 > self._most_tokens and bool(self._tokenizer.encode(text).overflowing)

    def _embed(self, text: str) -> tuple[Float32[np.ndarray, "1 dim"], Float32[np.ndarray, " 1"]]:
        inputs = {"ids": np.array([self._tokenizer.encode(text).ids], dtype=np.int64)}
        if self._signs.shape[1]:
            inputs["sketch"] = self._sketch(text)
        vector, gate = self._session.run(None, inputs)
        return vector, gate

    def _sketch(self, text: str) -> Float32[np.ndarray, "1 lexical"]:
        """L(text), as `LexicalSketch` has it."""
        grams = Grams.read([text])
        sketch = (grams.weights * self._rarity[grams.ids]) @ self._signs[grams.ids].astype(np.float32)
        unit: Float32[np.ndarray, "1 lexical"] = sketch[None] / max(float(np.linalg.norm(sketch)), 1e-12)
        return unit.astype(np.float32)


def _one_thread() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    # Searches run side by side already; threads that help one of them get in the way of the others.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options
