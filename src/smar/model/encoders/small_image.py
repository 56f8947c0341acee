"""A small convolutional encoder that starts from nothing: for tests, and for pictures unlike photos.

Knows three layers; nothing of colours, caches or training.
"""

from __future__ import annotations

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from smar.model.encoders.image import ImageEncoder, ImageEncoderConfig, ImageStates, Moments

_CHANNELS = (16, 32, 48)


class SmallImageEncoder(ImageEncoder):
    """Three convolutions that halve the picture; about 19,000 weights.

    The summary is mean and deviation after each of them, a patch the means after the last two.
    """

    @classmethod
    def build(cls, config: ImageEncoderConfig) -> SmallImageEncoder:
        """Build it with random weights from torch's own generator."""
        layers = [
            nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1)
            for before, after in zip((3, *_CHANNELS), _CHANNELS, strict=False)
        ]
        network = nn.ModuleDict({"layers": nn.ModuleList(layers)})
        return cls(config, network, 2 * sum(_CHANNELS), sum(_CHANNELS[1:]))

    def look(self, pixels: UInt8[Tensor, "image height width 3"]) -> ImageStates:
        """Moments after each layer."""
        values = (pixels.float() / 127.5 - 1).permute(0, 3, 1, 2)
        moments = []
        for layer in self.network.layers:
            values = layer(values).relu()
            moments.append(Moments.of(values, self.config.grid))
        return ImageStates(
            torch.cat([one.whole for one in moments], dim=1),
            torch.cat([one.cell_mean for one in moments[1:]], dim=2),
        )
