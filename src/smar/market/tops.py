"""Silhouettes worn on the upper body, and dresses: shoulders, sleeves, collars, fronts and hems.

Knows nothing of colour or pattern; those come with the cloth.
"""

from __future__ import annotations

from dataclasses import dataclass

import skia

from smar.market.cloth import Cloth
from smar.market.collars import Neck, sew_collar
from smar.market.figure import Figure, Look, Pose
from smar.market.palette import is_dark
from smar.market.prints import chest_print
from smar.market.stage import Spot, Stage, ink, mirrored, shade

FIT_WIDTH = {
    "Slim Fit": 0.90, "Regular Fit": 1.0, "Relaxed Fit": 1.08, "Oversized": 1.18,
    "Fit and Flare": 0.95, "Straight Cut": 1.0,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TopShape:
    """How one type differs from a plain long-sleeved top; lengths in drawing units from the shoulder line."""

    hem: float = 218.0
    chest: float = 68.0
    shoulder: float = 62.0
    neck: float = 25.0
    depth: float = 20.0
    collar: str = "rib"
    """rib, roll, shirt, lapel, hood, stand or none."""
    front: str = "closed"
    """closed, placket (half), buttons or zip."""
    ribbed: bool = False
    pockets: str = ""
    bulk: float = 1.0
    """Thickness of sleeves."""


SHAPES = {
    "t-shirt": TopShape(depth=24),
    "polo shirt": TopShape(collar="shirt", front="placket", depth=12),
    "shirt": TopShape(hem=228, collar="shirt", front="buttons", pockets="chest", depth=12),
    "jumper": TopShape(hem=210, chest=70, ribbed=True, bulk=1.15),
    "cardigan": TopShape(hem=214, chest=68, collar="rib", front="buttons", ribbed=True, depth=86, bulk=1.1),
    "hoodie": TopShape(
        hem=212, chest=73, collar="hood", ribbed=True, pockets="kangaroo", depth=16, bulk=1.2, neck=28
    ),
    "blazer": TopShape(
        hem=228, chest=66, shoulder=66, collar="lapel", front="buttons", pockets="flap", depth=112
    ),
    "jacket": TopShape(
        hem=200, chest=73, collar="stand", front="zip", ribbed=True, pockets="slant", depth=8, bulk=1.25
    ),
    "coat": TopShape(
        hem=282, chest=70, shoulder=66, collar="lapel", front="buttons", pockets="flap", depth=84, bulk=1.15
    ),
    "dress": TopShape(chest=54, shoulder=50, depth=24, collar="none"),
}
DRESS_HEMS = {"mini": 216.0, "midi": 276.0, "maxi": 334.0}


def draw_top(stage: Stage, look: Look, cloth: Cloth) -> None:
    """Draw anything with shoulders."""
    shape = SHAPES[look.type]
    wide = FIT_WIDTH.get(look.fit, 1.0) * (
        1.04 if look.audience == "men" else 0.96 if look.audience == "women" else 1.0
    )
    hem = DRESS_HEMS[look.length] if look.type == "dress" else shape.hem * stage.vary(1.0, 0.04)
    hem *= 0.92 if look.audience == "kids" and look.type != "dress" else 1.0
    collar = "roll" if look.neckline == "roll neck" else shape.collar
    above = {"hood": 66.0, "roll": 34.0}.get(collar, 8.0)
    scale = min(1.3, 340.0 / (hem + above), 1.34 / max(wide, 1.0))
    figure = Figure(stage, cloth, Pose.near(stage, 150, 200 + (above - hem) * scale / 2, scale))
    depth = 52.0 if look.neckline == "v-neck" else shape.depth
    garment = _Top(figure, look, shape, wide, hem, collar, depth, look.sleeve or "long")
    garment.draw()


@dataclass(slots=True)
class _Top:
    figure: Figure
    look: Look
    shape: TopShape
    wide: float
    hem: float
    collar: str
    depth: float
    sleeve: str
    cuff: tuple[tuple[float, float], tuple[float, float]] | None = None

    def draw(self) -> None:
        """Back first, then body and sleeves, then everything sewn on."""
        shoulder, neck = self.shape.shoulder * self.wide, self.shape.neck
        self._back(neck)
        if self.sleeve != "sleeveless":
            self._sleeves(shoulder)
        self._body(shoulder, neck)
        self._creases(shoulder)
        self.figure.show()
        self._seams(shoulder)
        if self.look.pattern == "graphic":
            chest_print(self.figure, 0, 88, 46 * min(self.wide, 1.05))
        self._pockets()
        self._front()
        end = self.hem if self.look.type == "cardigan" else None
        sew_collar(self.figure, self.collar, Neck(neck, self.depth, self.shape.ribbed, end))

    def _back(self, neck: float) -> None:
        inside = self.figure.cloth.plain(0.62 if not is_dark(self.figure.cloth.rgb) else 1.1)
        if self.collar == "hood":
            self.figure.part(mirrored([(0, -62), (neck + 12, -46), (neck + 20, -8), (neck + 8, 16), (0, 26)]))
            self.figure.part(
                mirrored([(0, -44), (neck - 3, -32), (neck + 4, 0), (neck - 4, 18), (0, 24)]), inside
            )
        elif self.collar not in ("roll",):
            deep = self.depth + 5
            self.figure.part(mirrored([(0, -3), (neck, -1, 0), (neck * 0.6, deep * 0.6), (0, deep)]), inside)

    def _body(self, shoulder: float, neck: float) -> None:
        chest, hem = self.shape.chest * self.wide, self.hem
        straps = self.sleeve == "sleeveless"
        outer = shoulder * (0.80 if straps else 1.0)
        pointed = self.look.neckline == "v-neck" or self.depth > 60
        top: list[Spot] = (
            [(0, self.depth, 0)] if pointed else [(0, self.depth), (neck * 0.72, self.depth * 0.62)]
        )
        top += [(neck, 0, 0), (outer, 14 if not straps else 8, 0)]
        top += [(outer - 3, 44), (chest - 2, 82, 0)] if straps else [(chest - 3, 50), (chest, 84, 0)]
        if self.look.type == "dress":
            waist, flare = chest * 0.78, {"Straight Cut": 0.95, "Relaxed Fit": 1.25}.get(self.look.fit, 1.62)
            waist = chest * 0.95 if self.look.fit == "Relaxed Fit" else waist
            bottom = chest * (flare + (hem - 216) / 640)
            top += [(waist, 128), ((waist + bottom) * 0.52, 128 + (hem - 128) * 0.42), (bottom, hem, 0)]
            top += [(bottom * 0.5, hem + 8), (0, hem + 9)]
        else:
            waist = chest * (0.93 if self.look.audience == "women" else 0.98)
            end = chest * (0.94 if self.shape.ribbed else 1.0) * (1.06 if self.hem > 260 else 1.0)
            round_hem = 8 if self.look.type == "shirt" else 3
            top += [
                (waist, 84 + (hem - 84) * 0.45),
                (end, hem - round_hem, 0),
                (end * 0.45, hem + 2),
                (0, hem + 4),
            ]
        self.figure.part(mirrored(top))

    def _sleeves(self, shoulder: float) -> None:
        chest, bulk = self.shape.chest * self.wide, self.shape.bulk
        vary = self.figure.stage.vary
        if self.sleeve == "short":
            drop = vary(0, 5)
            out: list[Spot] = [
                (shoulder - 8, 10, 0), (shoulder + 14, 24), (shoulder + 40 * bulk, 84 + drop, 0),
                (shoulder + 12, 102 + drop, 0), (chest - 8, 84, 0), (chest - 12, 46),
            ]  # fmt: skip
            self.figure.pair(out, tilt=-32)
            return
        splay, reach = vary(16, 12), min(226.0, self.hem + 10) if self.look.type != "dress" else 196.0
        thick = 30 * bulk
        out = [
            (shoulder - 8, 10, 0), (shoulder + 12, 30), (shoulder + 18 + splay * 0.5 + 4 * bulk, 112),
            (shoulder + 16 + splay, reach - 6, 0), (shoulder + 16 + splay - thick * 0.82, reach + 2, 0),
            (shoulder - 4 + splay * 0.4 - thick * 0.42, 126), (chest - 9, 90, 0), (chest - 13, 48),
        ]  # fmt: skip
        self.figure.pair(out, tilt=-6 - splay * 0.35)
        end = (shoulder + 16 + splay, reach - 6)
        self.cuff = (end, (end[0] - thick * 0.82, reach + 2))
        figure = self.figure
        figure.creases(shoulder + 14, 100, shoulder - 2, 124, 6, 4)
        figure.creases(shoulder + 20, 130, shoulder + 2, 140, 6, -4)
        figure.creases(shoulder + 2, 40, end[0] - thick * 0.4, end[1] - 8, 11, 5)
        figure.creases(end[0] - 2, end[1] - 34, end[0] - thick * 0.7, end[1] - 24, 5, 3)

    def _creases(self, shoulder: float) -> None:
        figure, chest, hem = self.figure, self.shape.chest * self.wide, self.hem
        figure.creases(chest - 4, 90, chest * 0.45, 128, 9, 5)
        figure.creases(chest - 6, 104, chest * 0.55, 160, 10, -5)
        figure.creases(shoulder * 0.7, 30, shoulder * 0.62, 92, 12, 3)
        if self.look.type == "dress":
            for x in (0.12, 0.38, 0.68):
                figure.creases(chest * x * 0.75, 132, chest * x * 1.9, hem, 8, 7)
                figure.creases(chest * (x + 0.13) * 0.75, 138, chest * (x + 0.13) * 1.9, hem, 7, -6)
            figure.creases(chest * 0.8, 118, 10, 124, 6, -4)
        else:
            figure.creases(chest * 0.84, hem - 70, chest * 0.62, hem + 4, 9, 5)
            figure.creases(chest * 0.34, hem - 96, chest * 0.24, hem + 4, 10, -4)
            figure.crease(chest * 0.9, hem * 0.62, -chest * 0.2, hem * 0.74, 9, 3)

    def _seams(self, shoulder: float) -> None:
        figure, chest, hem = self.figure, self.shape.chest * self.wide, self.hem
        if self.sleeve != "sleeveless":
            figure.seams([(shoulder, 14), (chest - 4, 50), (chest - 1, 84)], 1.3, 0.4)
        if self.cuff is not None:
            self._cuffs(*self.cuff)
        if self.shape.ribbed:
            end = chest * 0.93
            figure.band([(-end, hem - 5), (0, hem - 1), (end, hem - 5)], 15)
        elif self.look.type != "dress":
            end = chest * 0.96
            figure.seam([(-end, hem - 10), (0, hem - 5), (end, hem - 10)], 1.0, 0.35)
        else:
            waist = chest * 0.78
            if self.look.fit == "Fit and Flare":
                figure.seam([(-waist, 127), (0, 131), (waist, 127)], 1.6, 0.5)

    def _cuffs(self, outer: tuple[float, float], inner: tuple[float, float]) -> None:
        for side in (1, -1):
            ends: list[Spot] = [(side * outer[0], outer[1] - 6), (side * inner[0], inner[1] - 6)]
            if self.shape.ribbed:
                self.figure.band(ends, 13)
            else:
                rise = 18 if self.collar == "shirt" else 5
                self.figure.seam([(x, y - rise) for x, y, *_ in ends], 1.2, 0.45)

    def _pockets(self) -> None:
        figure, chest, hem = self.figure, self.shape.chest * self.wide, self.hem
        match self.shape.pockets:
            case "kangaroo":
                half = chest * 0.56
                spots: list[Spot] = [
                    (half * 0.66, hem - 76, 0), (half, hem - 34, 0), (half, hem - 13, 0), (0, hem - 11),
                ]  # fmt: skip
                figure.cover([(0, hem - 76, 0), *spots, *[(-s[0], *s[1:]) for s in reversed(spots[:3])]])
            case "chest" if figure.stage.chance.random() < 0.55:
                x, y = chest * 0.30, 72.0
                figure.cover(
                    [(x, y, 0), (x + 28, y, 0), (x + 28, y + 28, 0), (x + 14, y + 35, 0), (x, y + 28, 0)]
                )
            case "flap":
                y, x = hem * 0.66, chest * 0.34
                figure.covers([(x, y, 0), (x + 34, y - 2, 0), (x + 34, y + 11), (x, y + 12)])
            case "slant":
                figure.seams([(chest * 0.62, hem * 0.58), (chest * 0.44, hem * 0.82)], 3.0, 0.6)

    def _front(self) -> None:
        figure, hem = self.figure, self.hem
        first, last = self.depth + 8, hem - 16
        match self.shape.front:
            case "placket":
                figure.cover([(-8, 14, 0), (8, 14, 0), (8, 76, 0), (-8, 76, 0)])
                for y in (30, 50, 68):
                    figure.button(0, y, 2.6, figure.button_colour())
            case "buttons":
                side = 9.0 if self.collar != "lapel" else 2.0
                figure.seam([(side, self.depth), (side, hem)], 1.4, 0.55)
                if self.collar == "shirt":
                    figure.seam([(-side, self.depth + 14), (-side, hem)], 1.0, 0.3)
                count = {"lapel": 2 if hem < 250 else 4}.get(self.collar, 6)
                if self.collar == "lapel":
                    last = first + 34 * (count - 1)
                colour, radius = figure.button_colour(), 2.8 if self.collar != "lapel" else 4.2
                for index in range(count):
                    figure.button(-1, first + (last - first) * index / (count - 1), radius, colour)
            case "zip":
                teeth = self.figure.path([(0, 2), (0, hem)], closed=False, exact=True)
                canvas, scale = figure.stage.canvas, figure.pose.scale
                canvas.drawPath(teeth, ink(shade(figure.cloth.rgb, 0.4), 0.9, stroke=6 * scale))
                metal = ink((196, 198, 200), 1.0, stroke=2.6 * scale)
                metal.setPathEffect(skia.DashPathEffect.Make([1.5, 1.2], 0))
                canvas.drawPath(teeth, metal)
                figure.button(0, figure.stage.vary(22, 8), 3.2, (206, 208, 210))
