"""Pictures of general goods that stand: a bulb, a tin, a plain carton; they tell the kind, never the size.

Knows nothing of brands or specifications; a label is drawn as bars, for fonts differ between machines.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable

import numpy as np
import skia

from smar.market.goods_flat import draw_adapter, draw_blister, draw_card, draw_coil, draw_cover, draw_packet
from smar.market.palette import RGB
from smar.market.solids import barrel, label, slab, soft_floor
from smar.market.stage import Spot, Stage, backdrop, cast_shadow, ink, mirrored, outline, paper_tone, shade


def draw_goods(shape: str, chance: np.random.Generator) -> bytes:
    """A JPEG of goods of one shape, in any colour: its colour says nothing about it."""
    stage = Stage.open(400, 400, chance)
    backdrop(stage, paper_tone(stage, (120, 120, 120)))
    red, green, blue = colorsys.hls_to_rgb(
        chance.random(), chance.uniform(0.36, 0.56), chance.uniform(0.25, 0.75)
    )
    tone = (round(255 * red), round(255 * green), round(255 * blue))
    canvas = stage.canvas
    canvas.save()
    canvas.translate(200, 200)
    canvas.rotate(stage.vary(0, 2.0))
    size = stage.vary(1.06, 0.1)
    canvas.scale(size, size)
    canvas.translate(stage.vary(0, 8), stage.vary(0, 6))
    DRAWINGS[shape](stage, tone)
    canvas.restore()
    return stage.jpeg()


def _bulb(stage: Stage, _tone: RGB) -> None:
    canvas = stage.canvas
    soft_floor(stage, 74, 158)
    glass: list[Spot] = [(0, -148), (72, -118), (92, -52), (64, 14), (38, 58), (34, 84, 0), (0, 88)]
    path = outline(mirrored(glass))
    cast_shadow(stage, path, 5, 0.16)
    barrel(canvas, path, -92, 92, (242, 240, 232) if stage.chance.random() < 0.75 else (246, 226, 170))
    canvas.save()
    canvas.clipPath(path, skia.ClipOp.kIntersect, True)
    canvas.drawOval(skia.Rect(-62, -120, -16, -30), ink((255, 255, 255), 0.9, blur=11.0))
    canvas.drawOval(skia.Rect(-70, -40, 70, 120), ink((150, 140, 120), 0.20, blur=22.0))
    canvas.restore()
    base = outline(mirrored([(0, 74), (38, 74, 0), (33, 104, 0), (0, 106)]))
    barrel(canvas, base, -38, 38, (228, 228, 226))
    for row in range(4):
        y = 104 + row * 11
        barrel(canvas, _rounded(-31 + row, y, 31 - row, y + 10, 5), -32, 32, (176, 172, 164))
    barrel(canvas, _rounded(-14, 148, 14, 158, 5), -14, 14, (74, 70, 66))


def _tin(stage: Stage, tone: RGB) -> None:
    canvas = stage.canvas
    soft_floor(stage, 118, 142)
    body = outline(
        [(-110, -92, 0), (110, -92, 0), (110, 128, 0), (60, 144), (0, 148), (-60, 144), (-110, 128, 0)]
    )
    barrel(canvas, body, -110, 110, (222, 224, 226))
    wrap = outline([(-110, -62, 0), (0, -44), (110, -62, 0), (110, 112, 0), (0, 130), (-110, 112, 0)])
    barrel(canvas, wrap, -110, 110, tone)
    label(stage, -56, -18, 112, 74)
    rim = skia.Rect(-112, -122, 112, -62)
    canvas.drawOval(rim, ink((150, 152, 156)))
    canvas.drawOval(skia.Rect(-106, -119, 106, -67), ink((214, 216, 218)))
    canvas.drawOval(skia.Rect(-88, -112, 88, -72), ink((184, 187, 190)))
    canvas.drawOval(skia.Rect(-84, -110, 84, -76), ink((222, 224, 226)))
    handle = outline([(-112, -60), (-96, 10), (0, 48), (96, 10), (112, -60)], closed=False)
    canvas.drawPath(handle, ink((60, 60, 62), 0.35, stroke=6, blur=2.0))
    canvas.drawPath(handle, ink((196, 198, 200), stroke=4))


def _tub(stage: Stage, tone: RGB) -> None:
    canvas = stage.canvas
    soft_floor(stage, 150, 112)
    clear = stage.chance.random() < 0.6
    body: RGB = (214, 222, 228) if clear else tone
    path = outline([(-146, -50, 0), (146, -50, 0), (128, 102), (118, 112), (-118, 112), (-128, 102)])
    slab(stage, path, body)
    for x in (-84, -28, 28, 84):
        canvas.drawLine(x, -40, x * 0.9, 104, ink(shade(body, 0.75), 0.5, stroke=3))
    lid = _rounded(-158, -82, 158, -46, 9)
    slab(stage, lid, tone if clear else shade(tone, 1.3))
    for side in (-1, 1):
        slab(stage, _rounded(side * 146 - 14, -60, side * 146 + 14, -14, 5), (236, 236, 236))


def _roll(stage: Stage, tone: RGB) -> None:
    canvas = stage.canvas
    ring = skia.Path()
    ring.addOval(skia.Rect(-118, -110, 118, 110))
    ring.addOval(skia.Rect(-66, -60, 66, 60))
    ring.setFillType(skia.PathFillType.kEvenOdd)
    side = skia.Path()
    side.addOval(skia.Rect(-98, -92, 138, 128))
    cast_shadow(stage, side, 7, 0.3)
    barrel(canvas, side, -98, 138, shade(tone, 0.7))
    slab(stage, ring, tone)
    for radius in range(70, 116, 5):
        box = skia.Rect(-radius, -radius * 0.93, radius, radius * 0.93)
        canvas.drawOval(box, ink(shade(tone, 0.6), 0.22, stroke=1))
    canvas.drawOval(skia.Rect(-66, -60, 66, 60), ink((206, 178, 136), stroke=9))


def _pan(stage: Stage, tone: RGB) -> None:
    canvas = stage.canvas
    grip = outline([(64, 60, 0), (80, 46, 0), (158, 126), (166, 146), (148, 150), (134, 142)])
    slab(stage, grip, (44, 42, 44) if stage.chance.random() < 0.7 else (150, 112, 78))
    rim = skia.Path()
    rim.addOval(skia.Rect(-150, -134, 90, 96))
    cast_shadow(stage, rim, 8, 0.34)
    slab(stage, rim, (126, 128, 132) if stage.chance.random() < 0.5 else shade(tone, 0.9))
    inside = skia.Path()
    inside.addOval(skia.Rect(-138, -123, 78, 84))
    slab(stage, inside, (52, 52, 56))
    canvas.drawOval(skia.Rect(-118, -104, 58, 66), ink((24, 24, 26), 0.5, stroke=3))
    canvas.drawOval(skia.Rect(-110, -98, -20, -30), ink((255, 255, 255), 0.14, blur=16.0))


def _bag(stage: Stage, tone: RGB) -> None:
    canvas = stage.canvas
    soft_floor(stage, 94, 150)
    path = outline(
        [
            (-84, -146, 0),
            (84, -146, 0),
            (88, -100),
            (94, 20),
            (88, 150, 0),
            (-88, 150, 0),
            (-94, 20),
            (-88, -100),
        ]
    )
    dark = tone if stage.chance.random() < 0.5 else (58, 42, 34)
    slab(stage, path, dark)
    canvas.save()
    canvas.clipPath(path, skia.ClipOp.kIntersect, True)
    for x in (-74, 70):
        canvas.drawLine(x, -146, x * 0.9, 150, ink((255, 255, 255), 0.22, stroke=8, blur=5.0))
    canvas.drawRect(skia.Rect(-100, -146, 100, -122), ink((0, 0, 0), 0.22))
    canvas.drawLine(-100, -120, 100, -120, ink((255, 255, 255), 0.35, stroke=1.6))
    canvas.restore()
    label(stage, -58, -66, 116, 130)
    canvas.drawOval(skia.Rect(-12, 82, 12, 112), ink((96, 62, 40)))


def _spray(stage: Stage, tone: RGB) -> None:
    canvas = stage.canvas
    soft_floor(stage, 68, 156)
    body = outline(
        [
            (-22, -74, 0),
            (22, -74, 0),
            (30, -50),
            (60, -14),
            (66, 40),
            (62, 150),
            (52, 158),
            (-52, 158),
            (-62, 150),
            (-66, 40),
            (-60, -14),
            (-30, -50),
        ]
    )
    cast_shadow(stage, body, 5, 0.25)
    barrel(canvas, body, -66, 66, shade(tone, 1.25))
    barrel(canvas, _rounded(-26, -96, 26, -70, 4), -26, 26, (240, 240, 240))
    head = outline(
        [(-62, -138, 0), (-58, -156), (36, -152), (44, -136), (34, -96, 0), (-18, -96, 0), (-24, -124, 0)]
    )
    slab(stage, head, shade(tone, 0.8))
    trigger = outline([(-34, -122, 0), (-22, -122, 0), (-30, -82), (-44, -66), (-42, -90)])
    slab(stage, trigger, (238, 238, 238))
    label(stage, -46, 14, 92, 108)


def _carton(stage: Stage, tone: RGB) -> None:
    """One box for a router, a drive, an alarm and an ink cartridge: nobody can tell them apart."""
    canvas = stage.canvas
    high, wide, deep = stage.vary(104, 34), stage.vary(104, 24), stage.vary(46, 14)
    soft_floor(stage, wide + deep * 0.5, high)
    white = stage.chance.random()
    front: RGB = (206, 170, 126) if white < 0.4 else (240, 240, 238) if white < 0.7 else tone
    left, right = -wide - deep * 0.4, wide - deep * 0.4
    slab(stage, outline([(left, -high, 0), (right, -high, 0), (right, high, 0), (left, high, 0)]), front)
    top = outline(
        [
            (left, -high, 0),
            (left + deep, -high - deep * 0.6, 0),
            (right + deep, -high - deep * 0.6, 0),
            (right, -high, 0),
        ]
    )
    side = outline(
        [
            (right, -high, 0),
            (right + deep, -high - deep * 0.6, 0),
            (right + deep, high - deep * 0.6, 0),
            (right, high, 0),
        ]
    )
    canvas.drawPath(top, ink(shade(front, 1.25)))
    canvas.drawPath(side, ink(shade(front, 0.72)))
    for face in (top, side):
        canvas.drawPath(face, ink(shade(front, 0.5), 0.4, stroke=1))
    if white < 0.4:
        middle = (left + right) / 2
        canvas.drawRect(skia.Rect(middle - 13, -high, middle + 13, -high + 44), ink((232, 214, 182), 0.8))
    label(stage, left + 18, high - 78, wide * 0.9, 56)


def _bottle(stage: Stage, tone: RGB) -> None:
    canvas = stage.canvas
    soft_floor(stage, 56, 158)
    body = outline(
        [
            (-26, -104, 0),
            (26, -104, 0),
            (34, -88),
            (54, -58),
            (56, 0),
            (54, 150),
            (46, 159),
            (-46, 159),
            (-54, 150),
            (-56, 0),
            (-54, -58),
            (-34, -88),
        ]
    )
    cast_shadow(stage, body, 5, 0.25)
    barrel(canvas, body, -56, 56, tone if stage.chance.random() < 0.6 else (196, 200, 204))
    barrel(canvas, _rounded(-30, -150, 30, -100, 8), -30, 30, (58, 58, 62))
    loop = outline([(-16, -148), (-18, -170), (18, -170), (16, -148)], closed=False)
    canvas.drawPath(loop, ink((58, 58, 62), stroke=9))
    canvas.drawRect(skia.Rect(-6, -10, 6, 60), ink((255, 255, 255), 0.75))


def _jar(stage: Stage, tone: RGB) -> None:
    canvas = stage.canvas
    soft_floor(stage, 84, 142)
    glass: RGB = (238, 238, 236) if stage.chance.random() < 0.5 else (132, 76, 34)
    body = outline(
        [
            (-52, -84, 0),
            (52, -84, 0),
            (78, -58),
            (80, 0),
            (80, 128),
            (70, 142),
            (-70, 142),
            (-80, 128),
            (-80, 0),
            (-78, -58),
        ]
    )
    cast_shadow(stage, body, 5, 0.25)
    barrel(canvas, body, -80, 80, glass)
    barrel(canvas, outline([(-80, -30, 0), (80, -30, 0), (80, 110, 0), (-80, 110, 0)]), -80, 80, tone)
    label(stage, -54, -12, 108, 104)
    barrel(canvas, _rounded(-64, -142, 64, -82, 8), -64, 64, (244, 244, 242))
    for x in range(-56, 60, 8):
        canvas.drawLine(x, -134, x, -90, ink((120, 120, 120), 0.25, stroke=1.2))


def _rounded(left: float, top: float, right: float, bottom: float, radius: float) -> skia.Path:
    path = skia.Path()
    path.addRoundRect(skia.Rect(left, top, right, bottom), radius, radius)
    return path


DRAWINGS: dict[str, Callable[[Stage, RGB], None]] = {
    "bulb": _bulb,
    "blister": draw_blister,
    "coil": draw_coil,
    "packet": draw_packet,
    "tin": _tin,
    "cover": draw_cover,
    "tub": _tub,
    "adapter": draw_adapter,
    "card": draw_card,
    "roll": _roll,
    "pan": _pan,
    "bag": _bag,
    "spray": _spray,
    "carton": _carton,
    "bottle": _bottle,
    "jar": _jar,
}
"""Every shape that goods can have."""
