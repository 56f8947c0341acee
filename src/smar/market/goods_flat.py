"""Pictures of general goods that lie flat: blister packs, cables, packets, books, plugs and memory cards.

Knows nothing of brands or specifications.
"""

from __future__ import annotations

import math

import skia

from smar.market.palette import RGB
from smar.market.solids import barrel, label, slab
from smar.market.stage import Stage, cast_shadow, ink, outline, shade


def draw_blister(stage: Stage, tone: RGB) -> None:
    """Batteries behind clear plastic on a card."""
    canvas = stage.canvas
    slab(stage, outline([(-112, -150, 0), (112, -150, 0), (112, 150, 0), (-112, 150, 0)]), tone)
    canvas.drawOval(skia.Rect(-18, -138, 18, -120), ink((248, 248, 246)))
    label(stage, -90, -110, 180, 62)
    count = int(stage.chance.integers(3, 6))
    width = 180 / count
    for index in range(count):
        left = -90 + index * width
        body = outline(
            [(left + 4, -24, 0), (left + width - 4, -24, 0), (left + width - 4, 128, 0), (left + 4, 128, 0)]
        )
        barrel(canvas, body, left + 4, left + width - 4, (62, 62, 66))
        cap = outline(
            [(left + 4, -24, 0), (left + width - 4, -24, 0), (left + width - 4, 22, 0), (left + 4, 22, 0)]
        )
        barrel(canvas, cap, left + 4, left + width - 4, (208, 164, 96))
        middle = left + width / 2
        tip = outline(
            [(middle - 6, -33, 0), (middle + 6, -33, 0), (middle + 6, -24, 0), (middle - 6, -24, 0)]
        )
        barrel(canvas, tip, middle - 6, middle + 6, (200, 200, 200))
    bubble = skia.Rect(-98, -40, 98, 138)
    canvas.drawRoundRect(bubble, 14, 14, ink((255, 255, 255), 0.16))
    canvas.drawRoundRect(bubble, 14, 14, ink((255, 255, 255), 0.7, stroke=2.2))
    canvas.drawLine(-84, -24, -60, 120, ink((255, 255, 255), 0.35, stroke=9, blur=5.0))


def draw_coil(stage: Stage, tone: RGB) -> None:
    """A cable wound up and tied, both plugs showing."""
    canvas, chance = stage.canvas, stage.chance
    cable: RGB = ((36, 36, 38), (240, 240, 238), (36, 36, 38), tone)[int(chance.integers(4))]
    for turn in range(5):
        radius = 92 + turn * 5.5
        start = float(chance.uniform(0, 6.28))
        ring = [
            (
                (radius + 5 * math.sin(3 * a + start)) * math.cos(a) + stage.vary(0, 2),
                (radius * 0.84 + 5 * math.cos(2 * a + start)) * math.sin(a) - 20,
            )
            for a in [index * math.pi / 6 for index in range(12)]
        ]
        _cable(canvas, outline(ring), cable)
    for side in (-1, 1):
        lead = outline([(side * 12, 66), (side * 34, 100), (side * 60, 122), (side * 104, 136)], closed=False)
        _cable(canvas, lead, cable)
        plug = skia.Path()
        plug.addRoundRect(skia.Rect(min(side * 98, side * 134), 124, max(side * 98, side * 134), 150), 5, 5)
        slab(stage, plug, shade(cable, 0.9) if cable[0] > 60 else (52, 52, 56))
        tip = skia.Rect(min(side * 134, side * 158), 129, max(side * 134, side * 158), 145)
        canvas.drawRect(tip, ink((198, 200, 204)))
        canvas.drawRect(tip, ink((110, 112, 116), stroke=1.2))
    tie = skia.Path()
    tie.addRoundRect(skia.Rect(-11, 48, 11, 92), 4, 4)
    slab(stage, tie, (58, 58, 62))


def _cable(canvas: skia.Canvas, path: skia.Path, rgb: RGB) -> None:
    canvas.save()
    canvas.translate(3, 5)
    canvas.drawPath(path, ink((40, 36, 34), 0.28, stroke=9, blur=3.0))
    canvas.restore()
    canvas.drawPath(path, ink(shade(rgb, 0.55), stroke=9))
    canvas.drawPath(path, ink(rgb, stroke=7))
    canvas.drawPath(path, ink(shade(rgb, 1.5), 0.6, stroke=2))


def draw_packet(stage: Stage, tone: RGB) -> None:
    """A clear bag of small metal parts below a printed header."""
    canvas, chance = stage.canvas, stage.chance
    bag = outline([(-104, -60, 0), (104, -60, 0), (108, 60), (100, 150, 0), (-100, 150, 0), (-108, 60)])
    slab(stage, bag, (222, 226, 230))
    canvas.save()
    canvas.clipPath(bag, skia.ClipOp.kIntersect, True)
    metal: RGB = ((178, 180, 184), (206, 176, 104), (96, 98, 104))[int(chance.integers(3))]
    for _ in range(46):
        canvas.save()
        canvas.translate(float(chance.uniform(-92, 92)), float(chance.uniform(-8, 142)))
        canvas.rotate(float(chance.uniform(0, 360)))
        canvas.drawLine(-14, 0, 15, 0, ink(shade(metal, 0.5), stroke=7))
        canvas.drawLine(-14, -0.6, 14, -0.6, ink(metal, stroke=5))
        canvas.drawLine(-12, -1.6, 12, -1.6, ink(shade(metal, 1.6), 0.8, stroke=1.4))
        canvas.drawCircle(-15, 0, 6.4, ink(shade(metal, 0.6)))
        canvas.drawCircle(-15.5, -0.8, 5.2, ink(shade(metal, 1.25)))
        canvas.restore()
    for x in (-70, 50):
        canvas.drawLine(x, -60, x + 26, 150, ink((255, 255, 255), 0.3, stroke=12, blur=5.0))
    canvas.restore()
    header = outline([(-108, -150, 0), (108, -150, 0), (108, -48, 0), (-108, -48, 0)])
    slab(stage, header, tone)
    canvas.drawOval(skia.Rect(-16, -140, 16, -124), ink((246, 246, 244)))
    label(stage, -84, -112, 168, 52)


def draw_cover(stage: Stage, tone: RGB) -> None:
    """A book: a cover with a picture of next to nothing, pages at its edge."""
    canvas, chance = stage.canvas, stage.chance
    pages = outline([(-92, -142, 0), (112, -142, 0), (112, 152, 0), (-92, 152, 0)])
    slab(stage, pages, (238, 232, 216))
    for x in (104, 107, 110):
        canvas.drawLine(x, -140, x, 150, ink((150, 140, 120), 0.5, stroke=0.8))
    cover = outline([(-104, -150, 0), (100, -150, 0), (100, 148, 0), (-104, 148, 0)])
    slab(stage, cover, tone)
    canvas.save()
    canvas.clipPath(cover, skia.ClipOp.kIntersect, True)
    second = shade(tone, 0.6 if chance.random() < 0.5 else 1.5)
    match int(chance.integers(4)):
        case 0:
            canvas.drawCircle(stage.vary(0, 30), stage.vary(70, 20), 62, ink(second))
        case 1:
            hills = outline([(-130, 90, 0), (-50, 20), (20, 70), (120, 10, 0), (120, 170, 0), (-130, 170, 0)])
            canvas.drawPath(hills, ink(second))
        case 2:
            for row in range(5):
                canvas.drawRect(skia.Rect(-104, 20 + row * 24, 104, 32 + row * 24), ink(second))
        case _:
            canvas.drawPath(outline([(-40, 148, 0), (0, 0, 0), (40, 148, 0)]), ink(second))
    text: RGB = (250, 248, 240)
    for row, (width, height) in enumerate(((140, 20), (float(chance.uniform(70, 150)), 20), (60, 7))):
        y = -118 + row * 30
        canvas.drawRect(skia.Rect(-2 - width / 2, y, -2 + width / 2, y + height), ink(text, 0.92))
    canvas.drawRect(skia.Rect(-40, 122, 36, 129), ink(text, 0.85))
    canvas.drawLine(-92, -150, -92, 148, ink((0, 0, 0), 0.25, stroke=3, blur=1.2))
    canvas.restore()


def draw_adapter(stage: Stage, tone: RGB) -> None:
    """A plug with two pins, white or black."""
    canvas = stage.canvas
    body_tone: RGB = (242, 242, 240) if stage.chance.random() < 0.65 else (52, 52, 56)
    for x in (-42, 42):
        pin = skia.Path()
        pin.addRoundRect(skia.Rect(x - 9, -146, x + 9, -70), 8, 8)
        cast_shadow(stage, pin, 4, 0.25)
        barrel(canvas, pin, x - 9, x + 9, (196, 198, 202))
    body = skia.Path()
    body.addRoundRect(skia.Rect(-96, -84, 96, 124), 30, 30)
    slab(stage, body, body_tone)
    face = skia.Path()
    face.addRoundRect(skia.Rect(-80, -66, 80, 106), 22, 22)
    canvas.drawPath(face, ink((255, 255, 255), 0.25, stroke=2))
    canvas.drawRoundRect(skia.Rect(-26, 62, 26, 80), 9, 9, ink((28, 28, 30)))
    canvas.drawRoundRect(skia.Rect(-20, 68, 20, 74), 3, 3, ink((150, 152, 156)))
    canvas.drawCircle(0, 10, 15, ink(tone, 0.8))


def draw_card(stage: Stage, tone: RGB) -> None:
    """A memory card with a cut corner."""
    canvas = stage.canvas
    body = outline([(-96, -132, 0), (58, -132, 0), (96, -92, 0), (96, 136, 0), (-96, 136, 0)])
    slab(stage, body, (52, 54, 60))
    sticker = outline([(-82, -66, 0), (82, -66, 0), (82, 104, 0), (-82, 104, 0)])
    slab(stage, sticker, tone)
    label(stage, -66, -48, 132, 64)
    for x in range(-78, 60, 18):
        canvas.drawRoundRect(skia.Rect(x, -122, x + 11, -84), 3, 3, ink((206, 172, 96)))
    canvas.drawRect(skia.Rect(-104, -60, -94, -24), ink((226, 226, 228)))
