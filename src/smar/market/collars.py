"""Collars, one drawing each: ribbed, rolled, pointed, lapelled, standing, hooded.

Knows nothing of the garment below but how wide and deep its neck is.
"""

from __future__ import annotations

from dataclasses import dataclass

from smar.market.figure import Figure
from smar.market.stage import Spot, mirrored


@dataclass(frozen=True, slots=True)
class Neck:
    """Where a collar goes."""

    half: float
    """Half the width of the opening at the shoulders."""
    depth: float
    """How far the opening reaches down."""
    is_ribbed: bool = False
    buttoned_to: float | None = None
    """Where a ribbed front ends (a cardigan's hem), or None."""


def sew_collar(figure: Figure, collar: str, neck: Neck) -> None:
    """Put a collar of any kind on a figure that is shown already; an unknown one is a plain edge."""
    match collar:
        case "rib":
            _rib(figure, neck)
        case "roll":
            half = neck.half
            figure.cover(mirrored([(0, -31), (half - 2, -29), (half + 2, -10), (half + 5, 6), (0, 15)]))
            figure.seam([(-half + 1, -24), (0, -20), (half - 1, -24)], 1.3, 0.4)
        case "shirt":
            _points(figure, neck.half)
        case "lapel":
            _lapels(figure, neck)
        case "stand":
            figure.band([(-neck.half - 1, 2), (0, 11), (neck.half + 1, 2)], 15)
        case "hood":
            _hood(figure, neck.half)
        case _:
            middle: Spot = (0, neck.depth + 3) if neck.depth < 40 else (0, neck.depth + 3, 0)
            figure.seam([(-neck.half, 2), middle, (neck.half, 2)])


def _rib(figure: Figure, neck: Neck) -> None:
    half, depth = neck.half, neck.depth
    ring: list[Spot] = [(-half, 0), (0, depth, 0), (half, 0)]
    if depth <= 40:
        low = depth * 0.62
        ring = [(-half, 0), (-half * 0.72, low), (0, depth), (half * 0.72, low), (half, 0)]
    figure.band(ring, 8 if neck.is_ribbed else 5.5)
    if neck.buttoned_to is not None:
        figure.band([(0, depth), (0, neck.buttoned_to)], 13)
        colour = figure.button_colour()
        for index in range(5):
            figure.button(0, depth + 10 + (neck.buttoned_to - depth - 26) * index / 4, 3.2, colour)
    figure.band([(-half, 0), (0, -5), (half, 0)], 4)


def _points(figure: Figure, half: float) -> None:
    figure.cover(mirrored([(0, -8), (half - 2, -7), (half + 1, 2), (0, 7)]), figure.cloth.plain(0.9))
    figure.covers([(half - 4, -9, 0), (half + 5, 4), (half + 4, 32, 0), (3, 13, 0), (half - 9, 0)], tilt=-25)


def _lapels(figure: Figure, neck: Neck) -> None:
    half, wide = neck.half, neck.half + 17
    inner: list[Spot] = [(half - 3, -6, 0), (half + 6, 4), (wide + 1, 36, 0)]
    figure.covers([*inner, (wide - 8, 43, 0), (wide + 3, 50, 0), (0, neck.depth, 0)], tilt=-14)
    figure.seams([(half + 1, 28), (wide - 8, 43)], 1.4, 0.6)


def _hood(figure: Figure, half: float) -> None:
    figure.covers([(half + 8, -12), (half + 13, 8), (3, 34, 0), (0, 22, 0), (half - 4, 6)])
    for side in (1, -1):
        figure.seam([(side * 8, 27), (side * 10, 56), (side * 8, 76)], 2.4, 0.75)
