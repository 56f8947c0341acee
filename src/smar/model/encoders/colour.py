"""Which pixels show the product, and what colours they have, as numbers.

Knows nothing of networks or items; a picture is an array of bytes.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

BINS = 6
HISTOGRAM_WIDTH = BINS**3
CELL_WIDTH = 7

# A channel this far from the background (of 1) is still background; twice as far, the product for certain.
_TOLERANCE = 0.06
# Below this share of product pixels the background was misjudged (a plain carpet fills its photo).
_LEAST_SHARE = 0.01
# Colours need no more pixels a side than this, and the background's no wider a border than a 56th of it.
_SAMPLED_SIDE = 112
_BORDER_PART = 56


def read_colours(
    pixels: UInt8[Tensor, "image height width 3"], grid: int
) -> tuple[Float[Tensor, "image bins"], Float[Tensor, "image cell 7"]]:
    """The product's colours: the square root of their histogram, and what each of `grid` x `grid` cells has.

    A cell has the mean and deviation of red, green and blue, 0 to 1, and its share of product pixels.
    """
    step = max(1, pixels.shape[1] // _SAMPLED_SIDE)
    # Pixels are taken and not averaged: averages along the product's edge are colours of nothing.
    colours = pixels[:, ::step, ::step].float() / 255
    weights = product_weights(colours)
    return colour_histogram(colours, weights).sqrt(), cell_colours(colours, weights, grid)


def cell_colours(
    colours: Float[Tensor, "image height width 3"], weights: Float[Tensor, "image height width"], grid: int
) -> Float[Tensor, "image cell 7"]:
    """In each of `grid` x `grid` cells: mean and deviation of red, green and blue, and the mean weight."""
    layers = torch.cat([colours, colours.square(), weights[..., None]], dim=-1).permute(0, 3, 1, 2)
    mean, square, share = torch.split(F.adaptive_avg_pool2d(layers, grid), [3, 3, 1], dim=1)
    deviation = (square - mean.square()).clamp(min=0).sqrt()
    return torch.cat([mean, deviation, share], dim=1).flatten(2).transpose(1, 2)


def product_weights(
    colours: Float[Tensor, "image height width 3"],
) -> Float[Tensor, "image height width"]:
    """How surely each pixel shows the product and not the background: 0 is background, 1 is product.

    The background is the median colour along the top, left and right border (at the bottom products and
    their wearers often leave the picture). Where almost nothing differs from it, every pixel counts.
    """
    border = max(1, colours.shape[1] // _BORDER_PART)
    ring = [colours[:, :border], colours[:, :, :border], colours[:, :, -border:]]
    background = torch.cat([part.flatten(1, 2) for part in ring], dim=1).median(dim=1).values
    apart = (colours - background[:, None, None]).abs()
    distance = torch.maximum(torch.maximum(apart[..., 0], apart[..., 1]), apart[..., 2])
    weights = ((distance - _TOLERANCE) / _TOLERANCE).clamp(0, 1)
    is_blank = weights.mean(dim=(1, 2), keepdim=True) < _LEAST_SHARE
    return torch.where(is_blank, torch.ones_like(weights), weights)


def colour_histogram(
    colours: Float[Tensor, "image height width 3"], weights: Float[Tensor, "image height width"]
) -> Float[Tensor, "image bins"]:
    """Share of the weight in each of 6 x 6 x 6 bins; a colour between bins is dealt out to its neighbours.

    A bin's share of a pixel is the product of three tents, one a channel, so the histogram is one matrix
    product an image and needs neither scatter nor loop.
    """
    bins = torch.arange(BINS, device=colours.device, dtype=colours.dtype)[:, None]
    places = colours.flatten(1, 2).transpose(1, 2).contiguous()[:, :, None] * (BINS - 1)
    red, green, blue = (1 - (places - bins).abs()).clamp(min=0).unbind(dim=1)
    red_green = ((red * weights.flatten(1)[:, None])[:, :, None] * green[:, None]).flatten(1, 2)
    counts = (red_green @ blue.transpose(1, 2)).flatten(1)
    return counts / counts.sum(dim=1, keepdim=True).clamp(min=1e-6)
