"""Single prints on a chest, a bag or a cap: sun and hills, a star, letters, a wave, rings, a bolt.

Knows nothing of what they are printed on but its colour and where.
"""

from __future__ import annotations

import math

import skia

from smar.market.figure import Figure
from smar.market.motifs import contrast
from smar.market.palette import RGB, is_dark
from smar.market.stage import ink, outline, shade

_BRIGHT: tuple[RGB, ...] = (
    (222, 74, 60), (240, 178, 54), (52, 128, 190), (40, 150, 120), (236, 236, 230), (32, 38, 62), (226, 120,
    160),
)  # fmt: skip


def chest_print(figure: Figure, x: float, y: float, radius: float) -> None:
    """One of six prints, centred on (x, y) of `figure`."""
    chance, canvas = figure.stage.chance, figure.stage.canvas
    first = contrast(figure.cloth.rgb, chance)
    far = [c for c in _BRIGHT if sum(abs(a - b) for a, b in zip(c, figure.cloth.rgb, strict=True)) > 160]
    second = far[int(chance.integers(len(far)))]
    canvas.save()
    canvas.translate(*figure.pose.spot(x, y))
    canvas.rotate(math.degrees(figure.pose.turn))
    canvas.scale(figure.pose.scale * radius / 50, figure.pose.scale * radius / 50)
    painters = (_sun, _star, _letters, _wave, _rings, _bolt)
    painters[int(chance.integers(len(painters)))](canvas, first, second)
    canvas.drawCircle(
        0, 0, 60, ink((0, 0, 0) if not is_dark(figure.cloth.rgb) else (255, 255, 255), 0.03, blur=12.0)
    )
    canvas.restore()


def _sun(canvas: skia.Canvas, first: RGB, second: RGB) -> None:
    canvas.drawCircle(0, -6, 30, ink(second))
    canvas.drawPath(outline([(-52, 34, 0), (-22, -8, 0), (-4, 18, 0), (16, -14, 0), (52, 34, 0)]), ink(first))
    for row in range(2):
        canvas.drawRect(skia.Rect(-40 + row * 12, 40 + row * 8, 40 - row * 12, 43 + row * 8), ink(first))


def _star(canvas: skia.Canvas, first: RGB, second: RGB) -> None:
    ring = []
    for corner in range(10):
        radius, turn = (46 if corner % 2 == 0 else 19), math.pi * corner / 5 - math.pi / 2
        ring.append((radius * math.cos(turn), radius * math.sin(turn), 0))
    canvas.drawPath(outline(ring), ink(first))
    canvas.drawPath(outline([(x * 0.6, y * 0.6, 0) for x, y, _ in ring]), ink(second))


def _letters(canvas: skia.Canvas, first: RGB, second: RGB) -> None:
    """Strokes like capitals: no font, so the bytes are the same everywhere."""
    pen = ink(first, stroke=9)
    for place, strokes in enumerate(
        (
            ((0, 1), (1, 0.5), (0, 0)),
            ((0, 0), (0, 1), (1, 1)),
            ((0.5, 0), (0.5, 1)),
            ((1, 0), (0, 0), (0, 1), (1, 1)),
        )
    ):
        spots = [(-52 + place * 29 + x * 17, -18 + y * 30, 0) for x, y in strokes]
        canvas.drawPath(outline(spots, closed=False), pen)
    canvas.drawRect(skia.Rect(-52, 26, 52, 32), ink(second))


def _wave(canvas: skia.Canvas, first: RGB, second: RGB) -> None:
    canvas.drawRoundRect(skia.Rect(-44, -44, 44, 44), 8, 8, ink(first))
    for row in range(4):
        crest = [(-38 + 19 * step, -24 + row * 17 + (7 if step % 2 else -7)) for step in range(5)]
        canvas.drawPath(
            outline(crest, closed=False), ink(second if row % 2 else shade(second, 0.75), stroke=7)
        )


def _rings(canvas: skia.Canvas, first: RGB, second: RGB) -> None:
    for radius, tone in ((44, first), (31, second), (18, first)):
        canvas.drawCircle(0, 0, radius, ink(tone, stroke=9))
    canvas.drawCircle(0, 0, 7, ink(second))


def _bolt(canvas: skia.Canvas, first: RGB, second: RGB) -> None:
    canvas.drawCircle(0, 0, 46, ink(first))
    canvas.drawPath(
        outline([(10, -40, 0), (-26, 8, 0), (-2, 8, 0), (-12, 40, 0), (26, -8, 0), (2, -8, 0)]), ink(second)
    )
