"""Image encoders: pictures become states, by EfficientNet-Lite0, any `transformers` vision encoder, or a small new one.

Knows pictures as arrays of bytes; nothing of files, queries, items or products' texts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float, UInt8
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn import functional as F

from smar.config import Config
from smar.data.images import READING
from smar.files import digest
from smar.model.encoders.colour import CELL_WIDTH, HISTOGRAM_WIDTH, read_colours
from smar.model.encoders.layers import train_last_layers
from smar.model.precision import is_fast_in_bfloat16, low_precision

# A few pictures at a time stay in a processor's cache, which is more than twice as fast as sixty-four.
_PICTURES_AT_ONCE = 8


class ImageEncoderConfig(Config):
    """Which image encoder reads photos, how finely, and how much of it is trained."""

    name: str = Field(default="efficientnet-lite0", min_length=1)
    """`efficientnet-lite0` (packaged), `small` (three new layers, for tests), or a `transformers` folder or name."""
    image_size: int = Field(default=224, ge=16)
    """Photos are stretched to squares of this many pixels a side."""
    trained: Literal["none", "all"] | PositiveInt = "none"
    """`none` freezes the encoder (its states are then cached), `all` trains every layer, N the last N layers."""
    grid: int = Field(default=7, ge=1)
    """Patches a side: what the encoder sees is averaged onto grid x grid cells."""
    depths: Literal["several", "last"] = "several"
    """Whether `efficientnet-lite0` tells what it sees at several depths, or at its last alone."""
    colours: bool = True
    """Whether the product's colours are counted beside what the encoder sees, of the whole and of each cell."""


@dataclass(frozen=True)
class ImageStates:
    """What an encoder makes of pictures: one row of numbers for the whole, and one for each cell, row by row."""

    summary: Float[Tensor, "image summary"]
    patches: Float[Tensor, "image patch width"]

    def __len__(self) -> int:
        return len(self.summary)


Look = Callable[[UInt8[Tensor, "image height width 3"]], ImageStates]
"""`ImageEncoder.look`."""


@dataclass(frozen=True)
class Moments:
    """Means and variances of a map of features: over the whole picture, and over each cell of a grid."""

    mean: Float[Tensor, "image channel"]
    variance: Float[Tensor, "image channel"]
    cell_mean: Float[Tensor, "image cell channel"]
    cell_variance: Float[Tensor, "image cell channel"]

    @classmethod
    def of(cls, features: Float[Tensor, "image channel row column"], grid: int) -> Moments:
        """Average each of `grid` x `grid` cells; the whole picture's moments follow from the cells'.

        A map whose sides are no multiple of `grid` is first enlarged to one, repeating its values. Variances
        are of distances to the cell's mean: the difference of two large squares would drown them in rounding.
        """
        features = features.float()
        kernel = [-(-side // grid) for side in features.shape[2:]]
        if [grid * cells for cells in kernel] != list(features.shape[2:]):
            features = F.interpolate(features, size=[grid * cells for cells in kernel], mode="nearest-exact")
        mean = F.avg_pool2d(features, kernel)
        cells = features.view(*features.shape[:2], grid, kernel[0], grid, kernel[1])
        apart = (cells - mean[:, :, :, None, :, None]).square()
        variance = F.avg_pool2d(apart.flatten(4, 5).flatten(2, 3), kernel)
        middle = mean.mean(dim=(2, 3))
        return cls(
            middle,
            (variance + (mean - middle[:, :, None, None]).square()).mean(dim=(2, 3)),
            mean.flatten(2).transpose(1, 2),
            variance.flatten(2).transpose(1, 2),
        )

    @property
    def whole(self) -> Float[Tensor, "image statistic"]:
        """Mean and deviation over the picture."""
        return torch.cat([self.mean, _deviation(self.variance)], dim=1)

    @property
    def cells(self) -> Float[Tensor, "image cell statistic"]:
        """Mean and deviation over each cell."""
        return torch.cat([self.cell_mean, _deviation(self.cell_variance)], dim=2)


class ImageEncoder(nn.Module, ABC):
    """A vision network whose states are statistics of several of its depths, and of the picture's colours.

    Laws: a picture's states do not depend on the others of its batch; a frozen encoder is in evaluation mode
    always, and its states carry no gradient.
    """

    network: Any
    """The vision network; each kind names its parts differently."""

    def __init__(
        self, config: ImageEncoderConfig, network: nn.Module, summary_width: int, patch_width: int
    ) -> None:
        super().__init__()
        self.config = config
        self.network = network
        self.summary_width = summary_width + (HISTOGRAM_WIDTH if config.colours else 0)
        self.patch_width = patch_width + (CELL_WIDTH if config.colours else 0)
        self.patch_count = config.grid**2
        self.image_size = config.image_size
        train_last_layers(network, config.trained)
        self.train()

    @abstractmethod
    def look(self, pixels: UInt8[Tensor, "image height width 3"]) -> ImageStates:
        """What the network itself sees in a few pictures, without their colours."""

    def prepare(self) -> Look:
        """`look`, once what need be done but once for many pictures is done."""
        return self.look

    @property
    def is_frozen(self) -> bool:
        """Whether no weight is trained, so that states can be cached."""
        return self.config.trained == "none"

    @property
    def is_in_bfloat16(self) -> bool:
        """Whether a frozen encoder computes in bfloat16."""
        return is_fast_in_bfloat16(next(self.network.parameters()).device)

    @property
    def fingerprint(self) -> str:
        """A digest of what decides the states: network, weights, precision, and how pictures are read."""
        reading = self.config.model_dump_json(include={"image_size", "grid", "colours", "depths"})
        weights = (
            digest(name, str(tensor.dtype), tensor.detach().cpu().contiguous().numpy().tobytes())
            for name, tensor in sorted(self.state_dict().items())
        )
        precision = ["bfloat16"] if self.is_in_bfloat16 else []
        return digest(type(self).__name__, str(READING), reading, self.architecture(), *precision, *weights)

    def architecture(self) -> str:
        """What beside the configuration decides the network's shape and input, as text; often nothing."""
        return ""

    def save_architecture(self, folder: Path) -> None:
        """Write to `folder` what `load_image_encoder` needs beside the configuration and the weights."""

    def train(self, mode: bool = True) -> ImageEncoder:
        """Switch to training; a frozen encoder stays as it is, and batch statistics are never updated."""
        super().train(mode and not self.is_frozen)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self

    def forward(self, pixels: UInt8[Tensor, "image height width 3"]) -> ImageStates:
        """The states of pictures, RGB and `image_size` a side.

        A frozen encoder computes as its cached states were, under autocast or not: in bfloat16 where the device
        multiplies it in hardware.
        """
        device = pixels.device
        at_once = _PICTURES_AT_ONCE if device.type == "cpu" else max(1, len(pixels))
        is_mixed = self.is_in_bfloat16 if self.is_frozen else torch.is_autocast_enabled(device.type)
        keeps_gradients = torch.is_grad_enabled() and not self.is_frozen
        with torch.set_grad_enabled(keeps_gradients), low_precision(device, enabled=is_mixed):
            look = self.prepare()
            parts = [self._states(look, few) for few in torch.split(pixels, at_once)]
        return ImageStates(
            torch.cat([part.summary for part in parts]), torch.cat([part.patches for part in parts])
        )

    def _states(self, look: Look, pixels: UInt8[Tensor, "image height width 3"]) -> ImageStates:
        seen = look(pixels)
        if not self.config.colours:
            return seen
        histogram, cells = read_colours(pixels, self.config.grid)
        return ImageStates(
            torch.cat([seen.summary, histogram], dim=1), torch.cat([seen.patches, cells], dim=2)
        )


def load_image_encoder(
    config: ImageEncoderConfig, architecture: Path | None = None, pretrained: bool = True
) -> ImageEncoder:
    """Build the encoder that `config` names; with `architecture`, from a folder `save_architecture` wrote.

    Args:
        config: which encoder.
        architecture: that folder, so that no hub is asked; the packaged encoders need none.
        pretrained: load published weights; otherwise they are random, to be loaded or trained later.

    Raises:
        ModelError: there is no such encoder, or it cannot be read.
    """
    # Imported where they are named: they build on this module, and the last loads all of `transformers`.
    match config.name:
        case "efficientnet-lite0":
            from smar.model.encoders.efficientnet import EfficientNetEncoder

            return EfficientNetEncoder.load(config, pretrained=pretrained)
        case "small":
            from smar.model.encoders.small_image import SmallImageEncoder

            return SmallImageEncoder.build(config)
        case _:
            from smar.model.encoders.vision import VisionEncoder

            return VisionEncoder.load(config, architecture, pretrained=pretrained)


def _deviation(variance: Tensor) -> Tensor:
    # Away from zero, where a square root's slope is infinite.
    return variance.clamp(min=1e-6).sqrt()
