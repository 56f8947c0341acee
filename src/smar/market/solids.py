"""Hard things lit from one side: barrels, slabs, the floor's shadow and printed labels.

Knows nothing of which goods they make up.
"""

from __future__ import annotations

import skia

from smar.market.palette import RGB
from smar.market.stage import Stage, argb, cast_shadow, ink, shade


def barrel(canvas: skia.Canvas, path: skia.Path, left: float, right: float, rgb: RGB) -> None:
    """Fill `path` as a round body between `left` and `right`: dark rims, a bright strip towards the light."""
    paint = skia.Paint(AntiAlias=True)
    tones = [shade(rgb, 0.58), shade(rgb, 0.94), shade(rgb, 1.42), rgb, shade(rgb, 0.84), shade(rgb, 0.52)]
    paint.setShader(
        skia.GradientShader.MakeLinear(
            [skia.Point(left, 0), skia.Point(right, 0)],
            [argb(tone) for tone in tones],
            [0, 0.14, 0.3, 0.5, 0.8, 1],
        )
    )
    canvas.drawPath(path, paint)
    canvas.drawPath(path, ink(shade(rgb, 0.4), 0.4, stroke=1))


def slab(stage: Stage, path: skia.Path, rgb: RGB) -> None:
    """Fill `path` as a flat body with a shadow: brighter at the top left, darker at the bottom right."""
    cast_shadow(stage, path, 5, 0.26)
    bounds = path.getBounds()
    paint = skia.Paint(AntiAlias=True)
    paint.setShader(
        skia.GradientShader.MakeLinear(
            [skia.Point(bounds.left(), bounds.top()), skia.Point(bounds.right(), bounds.bottom())],
            [argb(shade(rgb, 1.28)), argb(rgb), argb(shade(rgb, 0.8))],
            [0.0, 0.5, 1.0],
        )
    )
    stage.canvas.drawPath(path, paint)
    stage.canvas.drawPath(path, ink(shade(rgb, 0.4), 0.45, stroke=1.1))


def soft_floor(stage: Stage, half_width: float, floor: float) -> None:
    """The dark patch under something that stands."""
    box = skia.Rect(-half_width * 1.02, floor - 12, half_width * 1.25, floor + 16)
    stage.canvas.drawOval(box, ink((40, 36, 34), 0.42, blur=8.0))


def label(stage: Stage, left: float, top: float, width: float, height: float) -> None:
    """A printed label: a bar like a brand, thinner bars like lines of text."""
    chance, canvas = stage.chance, stage.canvas
    pale = chance.random() < 0.7
    ground: RGB = (246, 245, 240) if pale else (44, 46, 54)
    text: RGB = (52, 54, 62) if pale else (236, 234, 228)
    canvas.drawRoundRect(skia.Rect(left, top, left + width, top + height), 4, 4, ink(ground, 0.94))
    x, y = left + width * 0.1, top + height * 0.12
    canvas.drawRect(
        skia.Rect(x, y, x + width * float(chance.uniform(0.45, 0.75)), y + height * 0.16), ink(text)
    )
    y += height * 0.30
    while y < top + height * 0.86:
        canvas.drawRect(
            skia.Rect(x, y, x + width * float(chance.uniform(0.35, 0.8)), y + max(2.4, height * 0.035)),
            ink(text, 0.55),
        )
        y += max(7.0, height * 0.12)
