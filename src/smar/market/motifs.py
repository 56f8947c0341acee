"""Patterns that repeat: stripes, checks, dots, flowers, marl and leopard spots, each as one tile.

Knows nothing of garments; the main colour always covers the most of a tile.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import skia

from smar.market.palette import RGB, is_dark
from smar.market.stage import argb, ink, outline, shade

DOTS_A_UNIT = 2
"""Pixels of a tile along one drawing unit."""

_PALE: tuple[RGB, ...] = ((244, 243, 239), (244, 243, 239), (238, 228, 208), (203, 208, 214), (240, 205, 110))
_DEEP: tuple[RGB, ...] = (
    (29, 36, 66),
    (30, 30, 33),
    (150, 30, 40),
    (32, 84, 62),
    (92, 58, 40),
    (52, 88, 150),
)
_BLOOMS: tuple[RGB, ...] = (
    (214, 62, 84), (240, 170, 186), (246, 240, 226), (238, 184, 72), (122, 92, 170), (84, 130, 190), (228,
    120, 70),
)  # fmt: skip


def pattern_tile(pattern: str, rgb: RGB, chance: np.random.Generator) -> skia.Image | None:
    """One repeat of `pattern` on a ground of `rgb`; None where nothing repeats (plain, a single print)."""
    painter = _PAINTERS.get(pattern)
    return None if painter is None else painter(rgb, chance)


def contrast(rgb: RGB, chance: np.random.Generator) -> RGB:
    """A second colour that can be told from `rgb` at thumbnail size."""
    inks = _PALE if is_dark(rgb) else _DEEP
    far = [other for other in inks if sum(abs(a - b) for a, b in zip(other, rgb, strict=True)) > 170]
    return far[int(chance.integers(len(far)))] if far else inks[0]


def _tile(width: float, height: float, rgb: RGB) -> tuple[skia.Surface, skia.Canvas]:
    surface = skia.Surface(round(width * DOTS_A_UNIT), round(height * DOTS_A_UNIT))
    canvas = surface.getCanvas()
    canvas.clear(argb(rgb))
    canvas.scale(DOTS_A_UNIT, DOTS_A_UNIT)
    return surface, canvas


def _stripes(rgb: RGB, chance: np.random.Generator) -> skia.Image:
    period = int(chance.choice([15, 20, 26, 36]))
    surface, canvas = _tile(8, period, rgb)
    second = contrast(rgb, chance)
    width = period * float(chance.uniform(0.26, 0.42))
    canvas.drawRect(skia.Rect(0, 4, 8, 4 + width), ink(second))
    if period >= 26 and chance.random() < 0.4:
        canvas.drawRect(skia.Rect(0, 8 + width, 8, 10.5 + width), ink(contrast(rgb, chance)))
    return surface.makeImageSnapshot()


def _checks(rgb: RGB, chance: np.random.Generator) -> skia.Image:
    period = int(chance.choice([18, 26, 44]))
    surface, canvas = _tile(period, period, rgb)
    second = contrast(rgb, chance)
    if period < 44:
        band = period * 0.38
        for rect in (skia.Rect(0, 0, period, band), skia.Rect(0, 0, band, period)):
            canvas.drawRect(rect, ink(second, 0.55))
    else:
        dark = shade(rgb, 0.62) if not is_dark(rgb) else shade(rgb, 1.25)
        for start, width, line in ((2, 15, dark), (20, 3, second), (32, 3, second)):
            canvas.drawRect(skia.Rect(0, start, period, start + width), ink(line, 0.6))
            canvas.drawRect(skia.Rect(start, 0, start + width, period), ink(line, 0.6))
    return surface.makeImageSnapshot()


def _dots(rgb: RGB, chance: np.random.Generator) -> skia.Image:
    period = int(chance.choice([18, 24, 34]))
    surface, canvas = _tile(period, period, rgb)
    paint = ink(contrast(rgb, chance))
    radius = period * float(chance.uniform(0.15, 0.21))
    for x, y in ((0.25, 0.25), (0.75, 0.75)):
        canvas.drawCircle(period * x, period * y, radius, paint)
    return surface.makeImageSnapshot()


def _flowers(rgb: RGB, chance: np.random.Generator) -> skia.Image:
    period = 84
    surface, canvas = _tile(period, period, rgb)
    far = [bloom for bloom in _BLOOMS if sum(abs(a - b) for a, b in zip(bloom, rgb, strict=True)) > 130]
    blooms = [far[int(i)] for i in chance.choice(len(far), 2, replace=False)]
    leaf = (112, 150, 96) if is_dark(rgb) else (58, 104, 66)
    spots = [(0.25, 0.22, 1.0), (0.74, 0.36, 0.8), (0.42, 0.70, 0.9), (0.88, 0.84, 0.65), (0.08, 0.55, 0.55)]
    size = float(chance.uniform(9.5, 13.5))
    for index, (x, y, scale) in enumerate(spots):
        turn = float(chance.uniform(0, 6.28))
        for shift_x, shift_y in (
            (0, 0),
            (-period, 0),
            (0, -period),
            (-period, -period),
            (period, 0),
            (0, period),
        ):
            canvas.save()
            canvas.translate(x * period + shift_x, y * period + shift_y)
            canvas.rotate(math.degrees(turn))
            _flower(canvas, size * scale, blooms[index % 2], leaf)
            canvas.restore()
    return surface.makeImageSnapshot()


def _flower(canvas: skia.Canvas, size: float, bloom: RGB, leaf: RGB) -> None:
    for turn in (20, 200):
        canvas.save()
        canvas.rotate(turn)
        canvas.drawOval(skia.Rect(size * 0.5, -size * 0.28, size * 1.75, size * 0.28), ink(leaf))
        canvas.restore()
    for petal in range(5):
        canvas.save()
        canvas.rotate(72 * petal)
        canvas.drawOval(
            skia.Rect(size * 0.12, -size * 0.4, size * 1.05, size * 0.4),
            ink(shade(bloom, 0.9 + petal * 0.05)),
        )
        canvas.restore()
    canvas.drawCircle(0, 0, size * 0.27, ink(shade(bloom, 0.55)))


def _marl(rgb: RGB, chance: np.random.Generator) -> skia.Image:
    size = 120
    noise = chance.normal(0, 1, (size, size))
    flecks = sum(np.roll(noise, shift, axis=1) for shift in range(5)) / 5**0.5
    strength = 0.30 if is_dark(rgb) else 0.22
    pixels = np.empty((size, size, 4), np.uint8)
    other = np.array(shade(rgb, 1.75) if is_dark(rgb) else shade(rgb, 0.45), float)
    mix = np.clip(strength * np.abs(flecks) * (flecks > -0.3), 0, 0.8)[..., None]
    pixels[..., :3] = np.rint(np.array(rgb, float) * (1 - mix) + other * mix)
    pixels[..., 3] = 255
    return skia.Image.fromarray(pixels, skia.kRGBA_8888_ColorType)


def _leopard(rgb: RGB, chance: np.random.Generator) -> skia.Image:
    period = 60
    surface, canvas = _tile(period, period, rgb)
    ring: RGB = (36, 26, 22) if not is_dark(rgb) else (226, 206, 178)
    heart = shade(rgb, 0.72) if not is_dark(rgb) else shade(rgb, 1.3)
    grid = [(x + 0.5 * (y % 2), y) for y in range(4) for x in range(4)]
    for x, y in grid:
        at_x, at_y = x * 15 + float(chance.uniform(-2, 2)), y * 15 + float(chance.uniform(-2, 2))
        radius, start = float(chance.uniform(4.0, 5.6)), float(chance.uniform(0, 360))
        wobble = [
            (radius * float(chance.uniform(0.75, 1.15)) * math.cos(a), radius * 0.9 * math.sin(a))
            for a in np.linspace(0, 2 * math.pi, 7)[:-1]
        ]
        for shift_x in (0, -period, period):
            for shift_y in (0, -period):
                canvas.save()
                canvas.translate(at_x + shift_x + 7, at_y + shift_y + 7)
                canvas.drawPath(outline(wobble), ink(heart))
                box = skia.Rect(-radius, -radius, radius, radius)
                canvas.drawArc(box, start, 120, False, ink(ring, stroke=2.6))
                canvas.drawArc(box, start + 165, 130, False, ink(ring, stroke=2.6))
                canvas.restore()
    return surface.makeImageSnapshot()


_PAINTERS: dict[str, Callable[[RGB, np.random.Generator], skia.Image]] = {
    "striped": _stripes,
    "checked": _checks,
    "dotted": _dots,
    "floral": _flowers,
    "melange": _marl,
    "animal": _leopard,
}
