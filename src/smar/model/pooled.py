"""What the towers read, each text and each photo pooled to one state beforehand. Knows sources; nothing of training.

Without attention the towers need no more (`SMAR.without_attention`), and what an encoder costs is paid once.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from smar.model.encoders.image import ImageStates
from smar.model.precision import is_fast_in_bfloat16, low_precision
from smar.model.sources import Images, ItemSource, Rows, Texts, TextStates
from smar.model.towers import Pooling, pool
from smar.progress import track

_TEXTS_AT_ONCE = 256
_PHOTOS_AT_ONCE = 256


class PooledTexts(Texts):
    """Texts whose only state is the pooled one, as the encoder makes it now: float16 [text, width], in memory."""

    def __init__(self, texts: Texts, pooling: Pooling) -> None:
        super().__init__(texts.encoder, texts.tokens, texts.cut, texts.grams)
        self._pooled = torch.empty((len(texts), texts.encoder.width), dtype=torch.float16)
        device = next(self.encoder.parameters()).device
        with torch.inference_mode(), low_precision(device, enabled=is_fast_in_bfloat16(device)):
            for rows in track(texts.batches(_TEXTS_AT_ONCE), "pooling texts"):
                found = texts.states(rows)
                self._pooled[rows] = pool(found.states, found.mask, pooling).half().cpu()

    def states(self, rows: Rows) -> TextStates:
        """One state a text, of the texts in `rows`."""
        states = self._pooled[rows].to(next(self.encoder.parameters()).device).float()[:, None]
        mask = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
        return TextStates(states, mask, self.grams.take(rows))


class PooledImages(Images):
    """Photos whose only state is the summary: float16 [photo, width], in memory."""

    def __init__(self, images: Images) -> None:
        super().__init__(images.encoder, images.paths)
        self.has_image = images.has_image
        rows = np.flatnonzero(images.has_image)
        self._place = np.zeros(len(images.has_image), np.int64)
        self._place[rows] = np.arange(len(rows))
        chunks = [rows[start : start + _PHOTOS_AT_ONCE] for start in range(0, len(rows), _PHOTOS_AT_ONCE)]
        with torch.inference_mode():
            found = [images.states(chunk).summary.half().cpu() for chunk in track(chunks, "pooling photos")]
        self._summary: Tensor = torch.cat(found) if found else torch.empty((0, images.encoder.summary_width))

    def states(self, rows: Rows) -> ImageStates:
        """Summaries of the photos of `rows`, and no patches."""
        device = next(self.encoder.parameters()).device
        summary = self._summary[self._place[rows]].to(device).float()
        return ImageStates(summary, summary.new_empty((len(rows), 0, self.encoder.patch_width)))


def pooled_items(items: ItemSource, pooling: Pooling) -> ItemSource:
    """A catalogue with one state a text and one a photo."""
    images = None if items.images is None else PooledImages(items.images)
    return ItemSource(PooledTexts(items.texts, pooling), images, items.names)
