"""Silhouettes of bags, hats and scarves.

Knows nothing of colour or pattern; those come with the cloth.
"""

from __future__ import annotations

import math

from smar.market.cloth import Cloth
from smar.market.figure import Figure, Look, Pose
from smar.market.palette import is_dark
from smar.market.prints import chest_print
from smar.market.stage import Spot, Stage, argb, ink, mirrored, shade


def draw_handbag(stage: Stage, _look: Look, cloth: Cloth) -> None:
    """A handle, a body wider or higher, sometimes a flap."""
    wide, high = stage.vary(104, 18), stage.vary(146, 24)
    trim = cloth.plain(0.78 if not is_dark(cloth.rgb) else 1.15)
    reach = stage.vary(96, 26)
    scale = min(1.22, 320 / (high + reach))
    figure = Figure(stage, cloth, Pose.near(stage, 200, 200 + (reach - high) * scale / 2, scale))
    handle: list[Spot] = [
        (-wide * 0.52, 14),
        (-wide * 0.46, -reach * 0.7),
        (0, -reach),
        (wide * 0.46, -reach * 0.7),
        (wide * 0.52, 14),
    ]
    strap = figure.path(handle, closed=False)
    canvas = stage.canvas
    for paint in (
        ink((30, 26, 24), 0.3, stroke=13, blur=5.0),
        ink(shade(trim.rgb, 0.5), stroke=12),
        ink(trim.rgb, stroke=9.5),
    ):
        canvas.drawPath(strap, paint)
    canvas.drawPath(strap, ink((255, 255, 255), 0.22, stroke=2.5, blur=1.2))
    taper = stage.vary(0.93, 0.1)
    figure.part(
        mirrored(
            [
                (0, -2),
                (wide * taper * 0.92, 0),
                (wide * taper, 14),
                (wide, high - 14),
                (wide * 0.93, high, 0),
                (0, high + 4),
            ]
        )
    )
    figure.creases(wide * 0.8, 20, wide * 0.62, high, 16, 5)
    figure.crease(-wide * 0.5, 30, wide * 0.3, 50, 14, 3)
    figure.show(1.2)
    if stage.chance.random() < 0.55:
        drop = high * stage.vary(0.55, 0.08)
        figure.cover(
            mirrored(
                [
                    (0, -4),
                    (wide * taper * 0.92, -2),
                    (wide * taper + 1, 16),
                    (wide * 0.9, drop * 0.8),
                    (wide * 0.5, drop),
                    (0, drop + 3),
                ]
            )
        )
        figure.button(0, drop - 8, 7, (206, 176, 108))
    else:
        figure.seam([(-wide * taper, 13), (0, 16), (wide * taper, 13)], 2.0, 0.55)
        figure.covers(
            [
                (wide * 0.52 - 9, 10, 0),
                (wide * 0.52 + 9, 10, 0),
                (wide * 0.52 + 8, 44),
                (wide * 0.52 - 8, 44),
            ],
            trim,
        )
        for side in (1, -1):
            figure.button(side * wide * 0.52, 26, 4, (206, 176, 108))
    figure.seam([(-wide * 0.9, high - 8), (0, high - 4), (wide * 0.9, high - 8)], 1.3, 0.4)


def draw_backpack(stage: Stage, look: Look, cloth: Cloth) -> None:
    """A rounded bag with a front pocket, zips and a loop."""
    figure = Figure(stage, cloth, Pose.near(stage, 200, 62, 1.15))
    wide, high = stage.vary(82, 8), stage.vary(232, 12)
    trim = cloth.plain(0.72 if not is_dark(cloth.rgb) else 1.2)
    figure.pair([(wide * 0.86, 60), (wide + 22, 110), (wide + 20, 190), (wide * 0.9, 214)], trim)
    loop = figure.path([(-18, 6), (-14, -20), (14, -20), (18, 6)], closed=False)
    stage.canvas.drawPath(loop, ink(trim.rgb, stroke=9))
    figure.part(
        mirrored(
            [
                (0, -6),
                (wide * 0.62, 4),
                (wide * 0.95, 46),
                (wide + 2, 130),
                (wide, high - 16),
                (wide * 0.88, high, 0),
                (0, high + 4),
            ]
        )
    )
    figure.creases(wide * 0.7, 30, wide * 0.86, high - 30, 16, 6)
    figure.crease(-wide * 0.4, 44, wide * 0.4, 60, 16, 4)
    figure.show(1.2)
    figure.seam(
        [
            (-wide * 0.86, 108),
            (-wide * 0.82, 56),
            (-wide * 0.4, 18),
            (wide * 0.4, 18),
            (wide * 0.82, 56),
            (wide * 0.86, 108),
        ],
        3.0,
        0.7,
    )
    pocket_top = stage.vary(124, 8)
    figure.cover(
        mirrored(
            [
                (0, pocket_top),
                (wide * 0.66, pocket_top + 4),
                (wide * 0.76, pocket_top + 30),
                (wide * 0.78, high - 22),
                (wide * 0.66, high - 8),
                (0, high - 5),
            ]
        )
    )
    zip_line = [(-wide * 0.64, pocket_top + 24), (0, pocket_top + 19), (wide * 0.64, pocket_top + 24)]
    figure.seam(zip_line, 3.2, 0.8)
    figure.button(wide * 0.5, pocket_top + 27, 3.6, (206, 208, 210))
    if look.pattern == "graphic":
        chest_print(figure, 0, 74, 30)
    else:
        figure.cover([(-20, 62, 0), (20, 62, 0), (20, 84, 0), (-20, 84, 0)], trim)


def draw_cap(stage: Stage, look: Look, cloth: Cloth) -> None:
    """A baseball cap seen from the front, a little from the side."""
    figure = Figure(stage, cloth, Pose.near(stage, 178, 104, 1.25))
    crown: list[Spot] = [
        (-96, 118, 0),
        (-98, 66),
        (-66, 14),
        (0, -6),
        (62, 12),
        (92, 62),
        (94, 118, 0),
        (0, 132),
    ]
    figure.part(crown)
    for x, low in ((-62, 118), (8, 126), (66, 116)):
        figure.crease(x * 0.2, 4, x, low, 10, 4)
    figure.crease(-80, 60, -20, 96, 14, -4)
    figure.show(1.1)
    figure.seam([(0, -6), (-44, 40), (-56, 122)], 1.5, 0.5)
    figure.seam([(0, -6), (40, 40), (50, 122)], 1.5, 0.5)
    figure.button(0, -5, 6, figure.cloth.rgb)
    if look.pattern == "graphic":
        chest_print(figure, -2, 66, 33)
    figure.cover(
        [
            (-92, 112, 0),
            (-30, 100),
            (40, 102),
            (94, 112, 0),
            (148, 136),
            (146, 152),
            (84, 150),
            (0, 146),
            (-70, 138),
        ],
        tilt=8,
    )
    figure.seam([(-78, 124), (0, 132), (90, 138), (136, 144)], 1.2, 0.4)


def draw_beanie(stage: Stage, _look: Look, cloth: Cloth) -> None:
    """A ribbed hat with a turned-up brim, half of them with a bobble."""
    figure = Figure(stage, cloth, Pose.near(stage, 200, 112, 1.2))
    wide, low = stage.vary(84, 6), 150.0
    figure.part(mirrored([(0, -6), (wide * 0.5, 4), (wide * 0.9, 50), (wide, low, 0), (0, low + 6)]))
    for at in (0.16, 0.42, 0.7):
        figure.creases(wide * at * 0.35, 4, wide * at, low, 7, 5)
        figure.creases(wide * (at + 0.13) * 0.35, 4, wide * (at + 0.13), low, 6, -4)
    if stage.chance.random() < 0.5:
        _bobble(figure)
    figure.show(1.1)
    brim = [
        (-wide - 5, 116, 0),
        (0, 122),
        (wide + 5, 116, 0),
        (wide + 6, 172, 0),
        (0, 180),
        (-wide - 6, 172, 0),
    ]
    figure.cover(brim, cloth.plain(0.93))
    for step in range(-10, 11):
        figure.seam([(step * wide / 10.4, 121), (step * wide / 10.2, 176)], 1.6, 0.3)


def _bobble(figure: Figure) -> None:
    chance, canvas = figure.stage.chance, figure.stage.canvas
    for _ in range(70):
        turn, radius = chance.uniform(0, 6.28), 27 * chance.uniform(0, 1) ** 0.5
        x, y = figure.pose.spot(radius * math.cos(turn), -22 + radius * math.sin(turn))
        tone = shade(figure.cloth.rgb, float(chance.uniform(0.7, 1.25)))
        canvas.drawCircle(x, y, 5.5, ink(tone, 0.9, blur=1.0))


def draw_scarf(stage: Stage, _look: Look, cloth: Cloth) -> None:
    """A scarf folded once, hanging, with fringes."""
    figure = Figure(stage, cloth, Pose.near(stage, 150, 52, 1.05))
    long = stage.vary(276, 16)
    fringe = argb(shade(cloth.rgb, 0.85))
    for x, low in ((-34, long), (38, long - 34)):
        for step in range(13):
            at = x - 33 + step * 5.5
            line = figure.path([(at, low - 6), (at + stage.vary(0, 3), low + 20)], closed=False)
            paint = ink(cloth.rgb, stroke=3.2)
            paint.setColor(fringe)
            stage.canvas.drawPath(line, paint)
    figure.part(
        [(4, 20, 0), (70, 30, 0), (76, 130), (74, long - 34, 0), (2, long - 32, 0), (-4, 130)], tilt=-3
    )
    figure.part([(-62, 24, 0), (10, 26, 0), (6, 140), (2, long, 0), (-70, long - 2, 0), (-68, 140)], tilt=2)
    figure.part([(-66, 30), (-56, 2), (0, -10), (60, 4), (74, 34), (66, 62), (10, 74), (-56, 64)], tilt=-10)
    for x in (-50, -26, -6, 22, 48):
        figure.crease(x, 60, x + stage.vary(0, 10), long - 30, 8, stage.vary(0, 6) + 1)
    figure.crease(-58, 30, 64, 26, 9, 6)
    figure.crease(-56, 52, 60, 50, 8, -5)
    figure.show(1.15)
