"""What the towers read, by row: token states of texts and states of photos, computed live or from the cache.

Knows encoders, tokens and photos; nothing of towers, clicks or losses.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn import functional as F

from smar.data.catalog import Catalog
from smar.data.features import FeatureStore
from smar.data.features_fill import fill
from smar.data.images import ImageFault, ImageUnreadable, image_key, inspect_image, read_images
from smar.errors import ModelError
from smar.files import digest
from smar.model.encoders.image import ImageEncoder, ImageStates
from smar.model.encoders.text import TextEncoder
from smar.model.grams import Grams
from smar.model.memory import Names, item_names
from smar.progress import say, track

Rows = Int64[np.ndarray, " row"]

_BUCKET, _BUCKET_IN_TRAINING = 32, 128
"""Texts that are padded alike. In training each bucket's backward pass adds to the gradient of every weight."""
_IMAGES_AT_ONCE = 64


def default_cache() -> Path:
    """Where states of frozen encoders are kept: `$SMAR_CACHE`, or `~/.cache/smar`."""
    return Path(os.environ.get("SMAR_CACHE", "~/.cache/smar")).expanduser()


@dataclass(frozen=True)
class TextStates:
    """Token states of a batch of texts; `mask` is true where there is a token. `grams` are of the whole texts."""

    states: Float[Tensor, "text token width"]
    mask: Bool[Tensor, "text token"]
    grams: Grams


@dataclass(frozen=True)
class ItemStates:
    """What the towers read of a batch of items; `with_image` are the places of those that have a photo."""

    text: TextStates
    images: ImageStates | None
    with_image: Int64[Tensor, " image"]


class Texts:
    """Texts by row, tokenised once; a frozen encoder's states come from the cache.

    `cut` counts texts that have more tokens than the encoder is given; their `grams` are of all words.
    """

    def __init__(self, encoder: TextEncoder, tokens: list[np.ndarray], cut: int, grams: Grams) -> None:
        self.encoder = encoder
        self.tokens = tokens
        self.cut = cut
        self.grams = grams
        self._store: FeatureStore | None = None
        self._entries: np.ndarray = np.empty(0, dtype=np.int64)

    @classmethod
    def read(cls, encoder: TextEncoder, texts: Sequence[str], longest: int) -> Texts:
        """Tokenise `texts`, cutting those of more than `longest` tokens."""
        return cls(encoder, *encoder.tokenize(texts, longest), Grams.read(texts))

    def cache(self, folder: Path, title: str) -> None:
        """Compute the frozen encoder's states of every text, unless `folder` holds them already."""
        keys = [digest(tokens.tobytes()) for tokens in self.tokens]
        store = FeatureStore.open(
            folder / self.encoder.fingerprint, self.encoder.fingerprint, self.encoder.width
        )

        def encode(rows: list[int]) -> list[np.ndarray]:
            states, mask = self._encode(np.array(rows))
            counts = mask.sum(1).tolist()
            arrays = states.float().cpu().numpy()
            return [array[:count] for array, count in zip(arrays, counts, strict=True)]

        with torch.inference_mode():
            fill(store, keys, encode, batch=512, title=title)
        self._store, self._entries = store, store.lookup(keys)

    def __len__(self) -> int:
        return len(self.tokens)

    def batches(self, at_once: int, rows: Rows | None = None) -> list[Rows]:
        """Every row once, in batches of texts of like length; if `rows` are given, the places of these among them."""
        chosen = range(len(self)) if rows is None else rows
        order = np.argsort([len(self.tokens[row]) for row in chosen], kind="stable")
        edges = [*range(0, len(order), at_once), len(order)]
        return [order[start:end] for start, end in pairwise(edges)]

    def states(self, rows: Rows) -> TextStates:
        """States of the texts in `rows`, in their order."""
        if self._store is None:
            states, mask = self._encode(rows)
        else:
            cached, has_token = self._store.gather(self._entries[rows])
            device = next(self.encoder.parameters()).device
            states, mask = torch.from_numpy(cached).to(device).float(), torch.from_numpy(has_token).to(device)
        return TextStates(states, mask, self.grams.take(rows))

    def _encode(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Run the encoder over buckets of texts of like length, so that little padding is computed."""
        device = next(self.encoder.parameters()).device
        lengths = np.array([len(self.tokens[row]) for row in rows])
        order = np.argsort(lengths, kind="stable")
        longest = int(lengths.max(initial=1))
        states, masks = [], []
        at_once = _BUCKET_IN_TRAINING if torch.is_grad_enabled() else _BUCKET
        for start in range(0, len(order), at_once):
            bucket = order[start : start + at_once]
            width = int(lengths[bucket].max())
            ids = np.zeros((len(bucket), width), dtype=np.int64)
            for place, position in enumerate(bucket):
                ids[place, : lengths[position]] = self.tokens[rows[position]]
            mask = torch.from_numpy(np.arange(width) < lengths[bucket][:, None]).to(device)
            encoded = self.encoder(torch.from_numpy(ids).to(device), mask)
            states.append(F.pad(encoded, (0, 0, 0, longest - width)))
            masks.append(F.pad(mask, (0, longest - width)))
        back = torch.from_numpy(np.argsort(order)).to(device)
        return torch.cat(states)[back], torch.cat(masks)[back]


class Images:
    """Photos by row of a catalogue; a frozen encoder's states come from the cache.

    `faults` counts photos that could not be used, by kind; their items count as items without an image.
    """

    def __init__(self, encoder: ImageEncoder, paths: list[Path | None]) -> None:
        self.encoder = encoder
        self.paths = paths
        self.faults: dict[str, int] = {}
        self._unusable: dict[str, ImageFault] = {}
        self.has_image = np.array([path is not None for path in paths], dtype=np.bool_)
        self._store: FeatureStore | None = None
        self._entries: np.ndarray = np.empty(0, dtype=np.int64)

    def check(self) -> None:
        """Look for photos that cannot be used, count them, and treat their items as items without one."""
        for row in track(np.flatnonzero(self.has_image).tolist(), "checking photos"):
            path = self.paths[row]
            assert path is not None
            for fault in inspect_image(path):
                if fault.fatal:
                    self._leave_out(row, fault)

    def cache(self, folder: Path, title: str) -> None:
        """Compute the frozen encoder's states of every photo, unless `folder` holds them already."""
        encoder = self.encoder
        width = encoder.summary_width + encoder.patch_count * encoder.patch_width
        store = FeatureStore.open(folder / encoder.fingerprint, encoder.fingerprint, width)
        rows: list[int] = []
        keys: list[str] = []
        for row in np.flatnonzero(self.has_image).tolist():
            try:
                keys.append(image_key(self.paths[row]))  # type: ignore[arg-type]
                rows.append(row)
            except ImageUnreadable as error:
                self._leave_out(row, error.fault)
        fill(store, keys, partial(self._encode_rows, rows, keys), batch=_IMAGES_AT_ONCE, title=title)
        self._store = store
        self._entries = np.full(len(self.paths), -1, dtype=np.int64)
        self._entries[rows] = store.lookup(keys)
        # A photo is encoded once, but counts for every item that shows it.
        for row, key in zip(rows, keys, strict=True):
            if key in self._unusable:
                self._leave_out(row, self._unusable[key])

    def states(self, rows: Rows) -> ImageStates:
        """States of the photos of `rows`, all of which have one."""
        device = next(self.encoder.parameters()).device
        if self._store is None:
            live: ImageStates = self.encoder(torch.from_numpy(self._pixels(rows)).to(device))
            return live
        flat, _ = self._store.gather(self._entries[rows])
        states = torch.from_numpy(flat[:, 0]).to(device)
        summary, patches = states.tensor_split([self.encoder.summary_width], dim=1)
        return ImageStates(summary, patches.reshape(len(rows), self.encoder.patch_count, -1))

    def _encode_rows(self, rows: list[int], keys: list[str], positions: list[int]) -> list[np.ndarray | None]:
        """Flat states [1, width] of the photos at `positions` of `rows`; None for those that cannot be used."""
        places, pixels = [], []
        for place, picture in enumerate(self._pictures([rows[position] for position in positions])):
            if isinstance(picture, ImageFault):
                self._unusable[keys[positions[place]]] = picture
            else:
                places.append(place)
                pixels.append(picture)
        arrays: list[np.ndarray | None] = [None] * len(positions)
        if pixels:
            device = next(self.encoder.parameters()).device
            with torch.inference_mode():
                states = self.encoder(torch.from_numpy(np.stack(pixels)).to(device))
            flat = torch.cat([states.summary, states.patches.flatten(1)], dim=1).float().cpu().numpy()
            for place, row in zip(places, flat, strict=True):
                arrays[place] = row[None]
        return arrays

    def _pixels(self, rows: Rows) -> np.ndarray:
        pixels = []
        for picture in self._pictures(rows.tolist()):
            if isinstance(picture, ImageFault):
                raise ModelError(f"{picture.message} (it could be read when training began)")
            pixels.append(picture)
        return np.stack(pixels)

    def _pictures(self, rows: list[int]) -> Iterator[np.ndarray | ImageFault]:
        paths = [path for path in (self.paths[row] for row in rows) if path is not None]
        return read_images(paths, self.encoder.image_size, None, workers=2)

    def _leave_out(self, row: int, fault: ImageFault) -> None:
        self.has_image[row] = False
        self.faults[fault.kind] = self.faults.get(fault.kind, 0) + 1


class ItemSource:
    """A catalogue as the towers read it: texts of every item, photos of those that have one."""

    def __init__(self, texts: Texts, images: Images | None, names: Names) -> None:
        self.texts = texts
        self.images = images
        self.names = names
        self.has_image = np.zeros(len(texts), np.bool_) if images is None else images.has_image

    @classmethod
    def read(
        cls,
        encoders: tuple[TextEncoder, ImageEncoder | None],
        catalog: Catalog,
        fields: Sequence[str],
        cache: Path | None,
    ) -> ItemSource:
        """Tokenise the texts, find the photos, and cache what frozen encoders make of both, if there is a `cache`."""
        text_encoder, image_encoder = encoders
        texts = Texts.read(text_encoder, item_texts(catalog, fields), text_encoder.config.max_item_tokens)
        if texts.cut:
            say(
                f"{texts.cut:,} item texts of more than {text_encoder.config.max_item_tokens} tokens are cut there"
            )
        if text_encoder.is_frozen and cache is not None:
            texts.cache(cache / "texts", "text states")
        names = item_names(catalog)
        if image_encoder is None:
            return cls(texts, None, names)
        images = Images(image_encoder, [catalog.image_path(row) for row in range(len(catalog))])
        if image_encoder.is_frozen and cache is not None:
            images.cache(cache / "images", "image states")
        else:
            images.check()
        for kind, count in images.faults.items():
            say(f"{count:,} photos cannot be used ({kind}): their items are treated as items without a photo")
        return cls(texts, images, names)

    def leave_out_photos(self, rows: Bool[np.ndarray, " item"]) -> None:
        """Read the items of `rows` as if they had no photo."""
        count = int(np.count_nonzero(self.has_image & rows))
        if count:
            self.has_image &= ~rows
            say(f"{count:,} photos are of categories for which the image is not used")

    def __len__(self) -> int:
        return len(self.texts)

    def states(self, rows: Rows) -> ItemStates:
        """What the towers read of the items in `rows`, in their order."""
        text = self.texts.states(rows)
        places = np.flatnonzero(self.has_image[rows])
        with_image = torch.from_numpy(places).to(text.mask.device)
        images = self.images.states(rows[places]) if self.images is not None and len(places) else None
        return ItemStates(text, images, with_image)


def in_categories(catalog: Catalog, categories: Sequence[str]) -> Bool[np.ndarray, " item"]:
    """Which items are of one of `categories`."""
    found: np.ndarray = catalog.table["category"].is_in(categories).fill_null(value=False).to_numpy()
    return found


def item_texts(catalog: Catalog, fields: Sequence[str]) -> list[str]:
    """Each item's fields joined by " . "; a field is left out where an earlier one contains it already."""
    texts = []
    for row in catalog.table.select(fields).iter_rows():
        parts: list[str] = []
        for cell in row:
            words = "" if cell is None else str(cell).strip()
            if words and not any(words.casefold() in part.casefold() for part in parts):
                parts.append(words)
        texts.append(" . ".join(parts))
    return texts
