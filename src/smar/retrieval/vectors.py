"""The vectors of a catalogue's items: a text vector and a multimodal vector each, with whose they are.

Knows nothing of how vectors are made or searched.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from smar.data.catalog import Catalog
from smar.errors import DataError, ModelError
from smar.files import whole_folder

Vectors = NDArray[np.float32]
Flags = NDArray[np.bool_]
Digests = NDArray[np.uint64]

UNIT_TOLERANCE = 1e-3
_BLOCK = 65_536
_ARRAYS = ("text", "multimodal", "has_image")
_DIGESTS = "digests.npy"


class ItemArrays(Protocol):
    """What a model returns for a catalogue: one row an item, in the catalogue's order."""

    @property
    def text(self) -> Vectors:
        """Text vectors, float32 [item, dim], unit length."""

    @property
    def multimodal(self) -> Vectors:
        """Multimodal vectors, float32 [item, dim], unit length; the text vector where there is no image."""

    @property
    def has_image(self) -> Flags:
        """Whether the item has an image that could be read, bool [item]."""


class ItemEmbedder(Protocol):
    """A model that turns a catalogue into vectors; `smar.model.SMAR` is one."""

    @property
    def fingerprint(self) -> str:
        """A digest of the model's weights and settings."""

    def embed_items(self, catalog: Catalog) -> ItemArrays:
        """Embed every item of `catalog`, in its order."""

    def item_digests(self, catalog: Catalog) -> Digests:
        """A digest of all that decides each item's vectors, so that those of unchanged items can be kept."""


@dataclass(frozen=True, eq=False)
class ItemVectors:
    """The vectors of one catalogue by one model; row `i` belongs to `item_ids[i]`.

    Laws, which `check` holds: every vector has unit length (within 0.001); an item with no image has
    its text vector as its multimodal vector, bit for bit.
    """

    item_ids: list[str]
    text: Vectors
    multimodal: Vectors
    has_image: Flags
    model_fingerprint: str
    catalog_fingerprint: str
    digests: Digests | None = None
    """Of all that decides each item's vectors [item]; None where nobody will ask."""

    def __len__(self) -> int:
        return len(self.item_ids)

    @property
    def dim(self) -> int:
        """The number of components of a vector."""
        return int(self.text.shape[1])

    @classmethod
    def build(cls, model: ItemEmbedder, catalog: Catalog, digests: Digests | None = None) -> ItemVectors:
        """Embed `catalog` with `model` and check what comes back.

        Raises:
            ModelError: the model broke one of the laws above; the message names the row and the item.
        """
        return cls.of(model.embed_items(catalog), model.fingerprint, catalog, digests)

    @classmethod
    def of(
        cls, arrays: ItemArrays, fingerprint: str, catalog: Catalog, digests: Digests | None = None
    ) -> ItemVectors:
        """Check what the model of that fingerprint made of `catalog`; raises as `build` does."""
        vectors = cls(
            item_ids=list(catalog.item_ids),
            text=np.ascontiguousarray(arrays.text, dtype=np.float32),
            multimodal=np.ascontiguousarray(arrays.multimodal, dtype=np.float32),
            has_image=np.ascontiguousarray(arrays.has_image, dtype=np.bool_),
            model_fingerprint=fingerprint,
            catalog_fingerprint=catalog.fingerprint,
            digests=digests,
        )
        vectors.check()
        return vectors

    def check(self) -> None:
        """Raise `ModelError` if a shape, a length or the no-image law is broken."""
        self._check_shapes("the model's item vectors")
        for start in range(0, len(self), _BLOCK):
            rows = slice(start, start + _BLOCK)
            for name, block in (("text", self.text[rows]), ("multimodal", self.multimodal[rows])):
                length = np.linalg.norm(block, axis=1)
                # `not <=` rather than `>`, so that NaN is caught as well.
                wrong = np.flatnonzero(~(np.abs(length - 1) <= UNIT_TOLERANCE))
                if wrong.size:
                    row = start + int(wrong[0])
                    raise ModelError(
                        f"item {self.item_ids[row]!r} (row {row}): its {name} vector has length "
                        f"{length[wrong[0]]:.6g}, not 1; normalise vectors in `embed_items`"
                    )
            differs = (self.text[rows] != self.multimodal[rows]).any(axis=1)
            wrong = np.flatnonzero(differs & ~self.has_image[rows])
            if wrong.size:
                row = start + int(wrong[0])
                raise ModelError(
                    f"item {self.item_ids[row]!r} (row {row}): has no image, yet its multimodal vector "
                    "differs from its text vector; copy the text vector in `embed_items`"
                )

    def _check_shapes(self, where: str) -> None:
        items = len(self.item_ids)
        if self.text.ndim != 2 or self.text.shape[1] == 0:
            raise ModelError(f"{where}: text vectors have shape {self.text.shape}, expected ({items}, dim)")
        expected = {"text": (items, self.dim), "multimodal": (items, self.dim), "has_image": (items,)}
        types = {"text": np.float32, "multimodal": np.float32, "has_image": np.bool_}
        for name in _ARRAYS:
            array: NDArray[Any] = getattr(self, name)
            if array.shape != expected[name] or array.dtype != types[name]:
                raise ModelError(
                    f"{where}: {name} is {array.dtype} {array.shape}, expected "
                    f"{np.dtype(types[name])} {expected[name]}; embed the catalogue again"
                )

    def save(self, folder: Path) -> None:
        """Write the vectors to `folder`, whole or not at all; an existing folder is replaced."""
        with whole_folder(folder) as part:
            for name in _ARRAYS:
                np.save(part / f"{name}.npy", getattr(self, name), allow_pickle=False)
            if self.digests is not None:
                np.save(part / _DIGESTS, self.digests, allow_pickle=False)
            facts = {
                "model_fingerprint": self.model_fingerprint,
                "catalog_fingerprint": self.catalog_fingerprint,
                "item_ids": self.item_ids,
            }
            (part / "vectors.json").write_text(json.dumps(facts), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> ItemVectors:
        """Read the vectors of `folder`; the arrays stay on disk and are mapped into memory.

        Raises:
            DataError: a file is missing or unreadable.
            ModelError: the arrays do not fit each other.
        """
        try:
            facts = json.loads((folder / "vectors.json").read_text(encoding="utf-8"))
            arrays = {name: _map(folder / f"{name}.npy") for name in _ARRAYS}
            digests = folder / _DIGESTS
            vectors = cls(
                digests=_map(digests) if digests.is_file() else None,
                item_ids=facts["item_ids"],
                model_fingerprint=facts["model_fingerprint"],
                catalog_fingerprint=facts["catalog_fingerprint"],
                **arrays,
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(f"{folder}: holds no readable vectors ({error}); index the shop again") from error
        vectors._check_shapes(str(folder))
        return vectors


def _map(path: Path) -> NDArray[Any]:
    # An empty array cannot be mapped, and numpy raises ValueError; read it instead.
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    # The same memory as a plain array: numpy takes rows of its memmap class far more slowly.
    return array.view(np.ndarray)
