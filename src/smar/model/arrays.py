"""What a model returns: vectors of queries and of items, as arrays. Knows no network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64


@dataclass(frozen=True)
class QueryVectors:
    """Vectors [query, dim], of unit length but for the part of query terms, and P(q) [query], float32."""

    vectors: Float32[np.ndarray, "query dim"]
    gate: Float32[np.ndarray, " query"]


@dataclass(frozen=True)
class ItemArrays:
    """Items' vectors [item, dim] of unit length, float32; without an image both rows are the same bits."""

    text: Float32[np.ndarray, "item dim"]
    multimodal: Float32[np.ndarray, "item dim"]
    has_image: Bool[np.ndarray, " item"]

    def __len__(self) -> int:
        return len(self.has_image)

    def take(self, rows: Int64[np.ndarray, " row"]) -> ItemArrays:
        """Those of some rows, in their order."""
        return ItemArrays(self.text[rows], self.multimodal[rows], self.has_image[rows])
