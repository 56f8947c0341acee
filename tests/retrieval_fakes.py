"""A real little model that hashes words into vectors, and little catalogues for it. Knows no network."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from smar.data.catalog import Catalog
from smar.files import digest

VISUAL_WORDS = {"striped", "red", "floral", "navy"}


@dataclass(frozen=True)
class FakeQueryVectors:
    vectors: NDArray[np.float32]
    gate: NDArray[np.float32]


@dataclass(frozen=True)
class FakeItemArrays:
    text: NDArray[np.float32]
    multimodal: NDArray[np.float32]
    has_image: NDArray[np.bool_]


@dataclass(frozen=True)
class WordModel:
    """A text is the normalised sum of its words' vectors; a photo adds the vectors of the words in its name.

    The gate is 0.9 for a query with a visual word and 0.1 otherwise.
    """

    dim: int = 24
    seed: str = "one"
    gate_threshold: float = 0.5

    @property
    def fingerprint(self) -> str:
        return f"word-model-{self.seed}-{self.dim}"

    def embed_queries(self, texts: Sequence[str]) -> FakeQueryVectors:
        gates = [0.9 if VISUAL_WORDS & set(text.split()) else 0.1 for text in texts]
        return FakeQueryVectors(self._embed(texts), np.array(gates, np.float32))

    def cuts(self, text: str) -> bool:
        return len(text.split()) > 30

    def embed_items(self, catalog: Catalog) -> FakeItemArrays:
        titles = [title.lower() for title in catalog.table["title"]]
        images = catalog.table["image"].to_list()
        text = self._embed(titles)
        shown = [
            f"{title} {Path(image).stem.replace('-', ' ')}" if image else title
            for title, image in zip(titles, images, strict=True)
        ]
        return FakeItemArrays(text, self._embed(shown), np.array([image is not None for image in images]))

    def item_digests(self, catalog: Catalog) -> NDArray[np.uint64]:
        cells = catalog.table.select("title", "image").iter_rows()
        return np.array([int(digest(str(cell)), 16) for cell in cells], np.uint64)

    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        sums = np.array([np.sum([self._word(word) for word in text.split()], axis=0) for text in texts])
        return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), np.float32)

    def _word(self, word: str) -> NDArray[np.float64]:
        seed = hashlib.sha256(f"{self.seed} {word}".encode()).digest()[:8]
        return np.random.default_rng(int.from_bytes(seed, "little")).normal(size=self.dim)


def little_catalog(folder: Path = Path("shop")) -> Catalog:
    """Six items of four departments; two have the same title, one has no price, three have photos."""
    table = pl.DataFrame(
        {
            "item_id": ["a1", "a2", "a3", "b1", "b2", "c1"],
            "title": [
                "navy jumper",
                "wool jumper",
                "wool jumper",
                "usb cable",
                "desk lamp",
                "novel about lamps",
            ],
            "brand": ["H&M", "X", None, "Anker", "X", None],
            "department": ["fashion", "fashion", "fashion", "electronics", "home", "books"],
            "image": ["photos/striped.jpg", None, "photos/red-floral.jpg", None, "photos/brass.jpg", None],
            "price": [30.0, 45.5, None, 9.99, 40.0, 12.0],
            "in_stock": [True, False, True, True, None, True],
            "sizes": [["S", "M"], ["M"], None, None, None, None],
            "weight": pl.Series([0.1, 0.2, None, None, 3.5, 0.4], dtype=pl.Float32),
            "pages": [None, None, None, None, None, 300],
        }
    )
    return Catalog.from_table(table, folder)


def random_units(rows: int, dim: int, seed: int = 0) -> NDArray[np.float32]:
    """Random vectors of unit length, float32 [rows, dim]."""
    vectors = np.random.default_rng(seed).normal(size=(rows, dim))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)
