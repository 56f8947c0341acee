"""Silhouettes of shoes: trainers and ankle boots, always a pair.

Knows nothing of colour or pattern; those come with the cloth.
"""

from __future__ import annotations

from smar.market.cloth import Cloth
from smar.market.figure import Figure, Look, Pose
from smar.market.palette import RGB, is_dark
from smar.market.stage import Spot, Stage, ink, moved, shade

_SOLE: RGB = (238, 236, 230)
_GUM: RGB = (178, 128, 82)


def draw_trainers(stage: Stage, look: Look, cloth: Cloth) -> None:
    """One shoe from the side, its fellow behind it."""
    high = look.fit == "High Top"
    figure = Figure(stage, cloth, Pose.near(stage, 50, 156 if high else 136, 1.28))
    sole = _GUM if stage.chance.random() < 0.2 else _SOLE
    for shift_x, shift_y in ((26, -32), (0, 22)):
        _trainer(figure, shift_x, shift_y, high, sole)
        figure = Figure(stage, cloth, figure.pose)


def _trainer(figure: Figure, dx: float, dy: float, high: bool, sole: RGB) -> None:
    top = -34.0 if high else 8.0
    upper: list[Spot] = [
        (4, top, 0), (24, top + 8), (62, top - 6, 0), (70, 20 if high else 16), (106, 46), (160, 66),
        (196, 84), (206, 106, 0), (100, 112), (2, 108, 0), (-3, 60), (0, top + 30),
    ]  # fmt: skip
    bottom: list[Spot] = [
        (-3, 102, 0),
        (60, 108),
        (140, 107),
        (208, 100, 0),
        (212, 116),
        (200, 130),
        (90, 131),
        (4, 129),
        (-6, 116),
    ]

    def shift(spots: list[Spot]) -> list[Spot]:
        return moved(spots, dx, dy)

    grey = Cloth(sole, None, "smooth")
    figure.part(shift(upper))
    figure.part(shift(bottom), grey)
    figure.crease(dx + 130, dy + 62, dx + 120, dy + 100, 8, 4)
    figure.crease(dx + 150, dy + 74, dx + 142, dy + 102, 8, -4)
    figure.crease(dx + 10, dy + 30, dx + 14, dy + 100, 10, 4)
    figure.show(0.9)
    cloth = figure.cloth
    tongue = cloth.plain(1.15 if is_dark(cloth.rgb) else 0.9)
    figure.cover(
        shift(
            [
                (58, top - 8, 0),
                (74, top - 14),
                (84, top + 8 if not high else top + 30),
                (104, 46),
                (92, 50),
                (64, 20),
            ]
        ),
        tongue,
    )
    trim = cloth.plain(0.8) if not is_dark(cloth.rgb) else cloth.plain(1.22)
    figure.cover(shift([(150, 78), (174, 74), (197, 86), (206, 105, 0), (150, 108, 0), (140, 94)]), trim)
    figure.cover(shift([(-2, 62, 0), (24, 66), (34, 88), (32, 108, 0), (1, 107, 0)]), trim)
    laces = (248, 247, 243) if min(cloth.rgb) < 215 else (60, 60, 64)
    for step in range(5 if high else 4):
        y, x = (52 - step * 13.0), (96 - step * 8.5)
        line = figure.path(shift([(x - 20, y + 10), (x + 8, y - 4)]), closed=False)
        figure.stage.canvas.drawPath(line, ink((30, 28, 28), 0.35, stroke=6.0, blur=1.2))
        figure.stage.canvas.drawPath(line, ink(laces, stroke=4.2))
    mark = (250, 250, 248) if is_dark(cloth.rgb) else shade(cloth.rgb, 0.4)
    swoop = figure.path(shift([(44, 94), (82, 78), (112, 66)]), closed=False)
    figure.stage.canvas.drawPath(swoop, ink(mark, 0.85, stroke=6.5))
    figure.seam(shift([(-4, 116), (90, 120), (211, 113)]), 1.2, 0.3)


def draw_boots(stage: Stage, _look: Look, cloth: Cloth) -> None:
    """A pair of ankle boots, one behind the other."""
    pose = Pose.near(stage, 72, 96, 1.26)
    shaft = stage.vary(-18, 26)
    heel = stage.vary(16, 10)
    elastic = stage.chance.random() < 0.6
    for dx, dy in ((34, -26), (0, 16)):
        figure = Figure(stage, cloth, pose)
        leather: list[Spot] = [
            (2, shaft, 0), (40, shaft + 7), (78, shaft - 2, 0), (77, 60), (96, 102), (140, 124), (176, 142),
            (184, 166, 0), (80, 172), (0, 168, 0), (-5, 120), (4, 60),
        ]  # fmt: skip
        rubber = Cloth((44, 38, 36) if cloth.rgb[0] > 60 else (26, 24, 24), None, "smooth")
        sole: list[Spot] = [
            (-2, 164, 0),
            (80, 169),
            (186, 160, 0),
            (188, 173),
            (110, 178),
            (62, 176, 0),
            (54, 176 + heel, 0),
            (-2, 176 + heel, 0),
        ]
        figure.part(moved(leather, dx, dy))
        figure.part(moved(sole, dx, dy), rubber)
        figure.crease(dx + 20, dy + 88, dx + 84, dy + 78, 7, 4)
        figure.crease(dx + 16, dy + 104, dx + 92, dy + 96, 8, -4)
        figure.crease(dx + 118, dy + 110, dx + 108, dy + 160, 10, 4)
        figure.crease(dx + 40, dy + shaft, dx + 36, dy + 80, 16, 5)
        figure.show(1.25)
        if elastic:
            side = [(34, shaft + 8, 0), (62, shaft + 5, 0), (52, 84), (46, 84)]
            figure.cover(moved(side, dx, dy), cloth.plain(0.6 if not is_dark(cloth.rgb) else 1.2))
        else:
            figure.seam(moved([(20, shaft + 4), (22, 100), (16, 166)], dx, dy), 2.4, 0.6)
        figure.seam(moved([(0, 122), (60, 118), (100, 112), (118, 160)], dx, dy), 1.4, 0.5)
