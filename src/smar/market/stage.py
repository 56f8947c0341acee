"""A photographer's table: a lit background, outlines through points, soft shadows, and the finished JPEG.

Knows nothing of what lies on the table.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import skia

from smar.market.palette import RGB

LONGEST_SIDE = 224
"""Pixels along the longest side of every picture."""
UNITS = 400
"""Drawing units along the longest side; outlines are written in these."""
JPEG_QUALITY = 88

Spot = tuple[float, ...]
"""(x, y) on a smooth curve, or (x, y, 0) at a corner."""


@dataclass(slots=True)
class Stage:
    """One picture being taken: the canvas, its size in drawing units, chance, and where the light stands."""

    surface: skia.Surface
    canvas: skia.Canvas
    width: float
    height: float
    chance: np.random.Generator
    light: tuple[float, float] = field(default=(-0.6, -0.8))
    """Direction towards the light."""

    @classmethod
    def open(cls, width: int, height: int, chance: np.random.Generator) -> Stage:
        """A clean table of `width` x `height` drawing units."""
        scale = LONGEST_SIDE / UNITS
        surface = skia.Surface(round(width * scale), round(height * scale))
        canvas = surface.getCanvas()
        canvas.scale(scale, scale)
        angle = chance.normal(-2.2, 0.22)
        return cls(surface, canvas, width, height, chance, (math.cos(angle), math.sin(angle)))

    def vary(self, middle: float, spread: float) -> float:
        """A number near `middle`, never further off than `spread`."""
        return middle + spread * float(self.chance.uniform(-1, 1))

    def jpeg(self) -> bytes:
        """The finished picture."""
        data = self.surface.makeImageSnapshot().encodeToData(skia.kJPEG, JPEG_QUALITY)
        return bytes(data)


def argb(rgb: RGB, alpha: float = 1.0) -> int:
    """`rgb` with an opacity between 0 and 1, as the canvas wants it."""
    red, green, blue = rgb
    return int(skia.ColorSetARGB(round(255 * min(1.0, max(0.0, alpha))), red, green, blue))


def shade(rgb: RGB, factor: float) -> RGB:
    """`rgb` darker (`factor` below 1) or lighter, towards white (above 1)."""
    if factor <= 1:
        red, green, blue = (round(part * factor) for part in rgb)
    else:
        red, green, blue = (round(part + (255 - part) * (factor - 1)) for part in rgb)
    return max(0, min(255, red)), max(0, min(255, green)), max(0, min(255, blue))


def ink(rgb: RGB, alpha: float = 1.0, stroke: float = 0.0, blur: float = 0.0) -> skia.Paint:
    """A paint: filled, or a line of width `stroke`; `blur` softens its edges."""
    paint = skia.Paint(AntiAlias=True, Color=argb(rgb, alpha))
    if stroke:
        paint.setStyle(skia.Paint.kStroke_Style)
        paint.setStrokeWidth(stroke)
        paint.setStrokeCap(skia.Paint.kRound_Cap)
        paint.setStrokeJoin(skia.Paint.kRound_Join)
    if blur:
        paint.setMaskFilter(blurring(blur))
    return paint


@functools.lru_cache(maxsize=64)
def blurring(sigma: float) -> skia.MaskFilter:
    """A blur of `sigma` drawing units."""
    return skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, sigma)


def outline(spots: Sequence[Spot], closed: bool = True) -> skia.Path:
    """A path through `spots`: a Catmull-Rom spline that breaks at the corners."""
    path = skia.Path()
    count = len(spots)
    path.moveTo(spots[0][0], spots[0][1])
    for here in range(count if closed else count - 1):
        first, second = spots[here], spots[(here + 1) % count]
        before = spots[here - 1] if closed or here else first
        after = spots[(here + 2) % count] if closed or here + 2 < count else second
        ease = 3 if len(first) == 3 else 6
        start = (
            second
            if len(first) == 3
            else (second[0] - before[0] + first[0], second[1] - before[1] + first[1])
        )
        c1 = (first[0] + (start[0] - first[0]) / ease, first[1] + (start[1] - first[1]) / ease)
        ease = 3 if len(second) == 3 else 6
        end = (
            first if len(second) == 3 else (first[0] - after[0] + second[0], first[1] - after[1] + second[1])
        )
        c2 = (second[0] + (end[0] - second[0]) / ease, second[1] + (end[1] - second[1]) / ease)
        path.cubicTo(c1[0], c1[1], c2[0], c2[1], second[0], second[1])
    if closed:
        path.close()
    return path


def mirrored(right: Sequence[Spot]) -> list[Spot]:
    """The whole ring of spots whose right half, from top to bottom, is `right`; the axis is x = 0."""
    left = [(-spot[0], *spot[1:]) for spot in reversed(right) if spot[0] != 0]
    return [*right, *left]


def moved(spots: Sequence[Spot], right: float, down: float) -> list[Spot]:
    """`spots`, further right and further down."""
    return [(spot[0] + right, spot[1] + down, *spot[2:]) for spot in spots]


def flipped(spots: Sequence[Spot]) -> list[Spot]:
    """`spots` on the other side of the axis x = 0."""
    return [(-spot[0], *spot[1:]) for spot in spots]


def backdrop(stage: Stage, tone: RGB) -> None:
    """A paper background of `tone`: brighter towards the light, darker in the corners."""
    centre = skia.Point(
        stage.width * (0.5 + 0.2 * stage.light[0]), stage.height * (0.5 + 0.25 * stage.light[1])
    )
    paint = skia.Paint()
    paint.setShader(
        skia.GradientShader.MakeRadial(
            centre,
            stage.height * 0.95,
            [argb(shade(tone, 1.35)), argb(tone), argb(shade(tone, 0.95))],
            [0.0, 0.55, 1.0],
        )
    )
    stage.canvas.drawPaint(paint)


def paper_tone(stage: Stage, rgb: RGB) -> RGB:
    """A background on which `rgb` stands out: near white, darker below pale things, a little tinted."""
    pale = min(rgb) > 205
    value = stage.vary(214 if pale else 240, 8)
    warm = stage.vary(1.5, 4.0)
    return round(value + warm), round(value), round(value - warm)


def cast_shadow(stage: Stage, path: skia.Path, depth: float = 5.0, alpha: float = 0.30) -> None:
    """The soft shadow that `path` throws, away from the light; once close and dark, once wide and faint."""
    shift_x, shift_y = -stage.light[0] * depth, -stage.light[1] * depth
    stage.canvas.save()
    stage.canvas.translate(shift_x, shift_y)
    stage.canvas.drawPath(path, ink((40, 36, 34), alpha, blur=5.0))
    stage.canvas.translate(shift_x, shift_y)
    stage.canvas.drawPath(path, ink((40, 36, 34), alpha * 0.4, blur=13.0))
    stage.canvas.restore()
