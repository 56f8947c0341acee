"""Silhouettes worn below the waist: skirts, trousers, jeans, shorts and socks.

Knows nothing of colour or pattern; those come with the cloth.
"""

from __future__ import annotations

from dataclasses import dataclass

from smar.market.cloth import Cloth
from smar.market.figure import Figure, Look, Pose
from smar.market.palette import is_dark
from smar.market.stage import Spot, Stage, ink, mirrored, shade

LEG_WIDTH = {
    "Skinny": 0.78, "Slim Leg": 0.88, "Straight Leg": 1.0, "Wide Leg": 1.32, "Tapered": 0.96,
    "Slim Fit": 0.9, "Regular Fit": 1.0,
}  # fmt: skip
SKIRT_HEMS = {"mini": 150.0, "midi": 236.0, "maxi": 312.0}


def draw_skirt(stage: Stage, look: Look, cloth: Cloth) -> None:
    """A-line, pleated or pencil, of three lengths."""
    hem = SKIRT_HEMS[look.length]
    scale = {"mini": 1.22, "midi": 1.12, "maxi": 1.04}[look.length]
    figure = Figure(stage, cloth, Pose.near(stage, 150, 200 - hem * scale / 2, scale))
    waist, hips = 43.0, 66.0 if look.fit != "Pencil" else 61.0
    flare = {"A-Line": 84 + hem * 0.11, "Pleated": 76 + hem * 0.13, "Pencil": 54.0}[look.fit]
    sag = 4.0 if look.fit == "Pencil" else 12.0
    ring: list[Spot] = [
        (0, 2),
        (waist, 0, 0),
        (hips, 62),
        ((hips + flare) / 2, (62 + hem) / 2),
        (flare, hem - sag, 0),
    ]
    wavy: list[Spot] = [(flare * 0.66, hem - 2), (flare * 0.3, hem + 1), (0, hem + 3)]
    figure.part(mirrored([*ring, *wavy]))
    if look.fit == "Pleated":
        for step in range(9):
            at = -1 + 0.25 * step
            figure.crease(at * waist * 0.95, 12, at * flare, hem, 4.5, 6.5)
            figure.crease((at + 0.11) * waist * 0.95, 12, (at + 0.11) * flare, hem, 4.5, -5.5)
    else:
        for at, rise in ((0.18, 6), (0.42, -6), (0.7, 6)):
            soft = 0.5 if look.fit == "Pencil" else 1.0
            figure.creases(at * waist, 40, at * flare * 1.1, hem, 10, rise * soft)
        figure.creases(hips - 6, 40, 12, 62, 8, 3)
    figure.show()
    figure.band([(-waist, 5), (0, 8), (waist, 5)], 13, factor=0.92)
    if look.fit == "Pencil":
        figure.seam([(0, hem - 50), (0, hem)], 1.8, 0.6)
    else:
        figure.seam([(-flare + 2, hem - sag - 7), (0, hem - 5), (flare - 2, hem - sag - 7)], 1.0, 0.3)


@dataclass(frozen=True, slots=True)
class _Legs:
    """Measures of one pair of legs, in drawing units from the waistband."""

    hem: float
    wide: float
    end: float
    spread: float
    hips: float
    waist: float = 50.0
    crotch: float = 104.0

    @property
    def knee(self) -> float:
        return self.crotch + (self.hem - self.crotch) * 0.45


def draw_legs(stage: Stage, look: Look, cloth: Cloth) -> None:
    """Trousers, jeans and shorts."""
    short = look.type == "shorts"
    wide = LEG_WIDTH[look.fit] * (0.95 if look.audience == "women" else 1.0)
    ends = {"Tapered": 24.0, "Skinny": 21.0, "Wide Leg": 50.0}
    if short:
        legs = _Legs(hem=150.0, wide=wide, end=62 * wide, spread=8.0, hips=70.0)
    else:
        end, spread = ends.get(look.fit, 33 * wide), stage.vary(17, 7)
        legs = _Legs(hem=322.0, wide=wide, end=end, spread=spread, hips=66.0)
    scale = 1.34 if short else 1.03
    figure = Figure(stage, cloth, Pose.near(stage, 150, 200 - legs.hem * scale / 2, scale))
    inside = cloth.plain(0.6 if not is_dark(cloth.rgb) else 1.1)
    figure.part(mirrored([(0, -4), (legs.waist - 2, -2, 0), (0, 9)]), inside)
    figure.part(mirrored(_leg_outline(legs, short)))
    _leg_creases(figure, look, legs)
    figure.show(1.1)
    _leg_seams(figure, look, legs)
    if look.type == "jeans":
        _denim(figure, look, legs)


def _leg_outline(legs: _Legs, short: bool) -> list[Spot]:
    hem, end, spread, crotch, hips = legs.hem, legs.end, legs.spread, legs.crotch, legs.hips
    top: list[Spot] = [(0, 5), (legs.waist, 0, 0), (hips, 56)]
    if short:
        return [*top, (hips + 8, hem - 6, 0), (hips + 8 - end * 0.95, hem + 3, 0), (2, crotch + 4, 0)]
    thigh = 60 * max(legs.wide, 0.88)
    middle = (thigh + end) / 2
    return [
        *top,
        (max(hips - 1, spread + thigh * 0.75), crotch + 10),
        (spread + middle, legs.knee),
        (spread + end + 8, hem - 3, 0),
        (max(4.0, spread + 8 - end * 0.72), hem + 3, 0),
        (max(3.0, spread - middle * 0.42), legs.knee),
        (2, crotch + 4, 0),
    ]


def _leg_creases(figure: Figure, look: Look, legs: _Legs) -> None:
    crotch, knee, hem, spread = legs.crotch, legs.knee, legs.hem, legs.spread
    figure.creases(6, crotch - 4, 52, crotch - 26, 7, 4)
    figure.creases(6, crotch + 4, 56, crotch + 14, 7, -4)
    figure.creases(4, crotch - 14, 40, crotch - 50, 8, 3)
    if look.type == "shorts":
        figure.creases(30, crotch, 40, hem, 10, 4)
        return
    figure.creases(spread + 14, knee - 10, spread - 8, knee + 6, 6, 3.5)
    figure.creases(spread + 22, knee + 14, spread - 2, knee + 22, 6, -3.5)
    figure.creases(spread + 18, hem - 26, spread - 6, hem - 18, 5, 3)
    pressed = look.type == "trousers" and look.fit != "Wide Leg"
    figure.creases(30, 70, spread + 10, hem, 6 if pressed else 14, 7 if pressed else 4)


def _leg_seams(figure: Figure, look: Look, legs: _Legs) -> None:
    waist, hips, hem, end = legs.waist, legs.hips, legs.hem, legs.end
    figure.seam([(0, 8), (1, 60), (0, legs.crotch)], 1.6, 0.6)
    figure.seam([(-waist - 1, 15), (0, 20), (waist + 1, 15)], 1.4, 0.55)
    figure.seams([(waist - 14, 18), (waist - 6, 40), (hips - 2, 48)], 1.6, 0.6)
    figure.button(0, 12, 3.6, (188, 160, 116) if look.type == "jeans" else figure.button_colour())
    for x in (-34, -14, 26):
        figure.seam([(x, 1), (x + 1, 20)], 3.4, 0.4)
    if look.type == "shorts":
        figure.seams([(hips + 6, hem - 16), (hips + 6 - end * 0.9, hem - 9)], 1.2, 0.45)
    else:
        x_end = legs.spread + 8
        figure.seams([(x_end + end - 1, hem - 12), (x_end - end * 0.7, hem - 7)], 1.2, 0.45)


def _denim(figure: Figure, look: Look, legs: _Legs) -> None:
    """Yellow thread, and thighs worn pale."""
    waist, hips, canvas = legs.waist, legs.hips, figure.stage.canvas
    thread = ink((214, 160, 92), 0.75, stroke=1.1)
    canvas.drawPath(figure.path([(4, 20, 0), (15, 30), (14, 66), (0, 82)], closed=False, exact=True), thread)
    for side in (1, -1):
        pocket = [(side * (waist - 17), 18), (side * (waist - 9), 43), (side * (hips - 2), 52)]
        canvas.drawPath(figure.path(pocket, closed=False, exact=True), thread)
        if look.colour not in ("black", "white"):
            thigh = [(side * 26, 92), (side * (legs.spread + 22), 150), (side * (legs.spread + 4), 190)]
            worn = ink(shade(figure.cloth.rgb, 1.5), 0.30, stroke=22, blur=10.0)
            canvas.drawPath(figure.path(thigh, closed=False), worn)


def draw_socks(stage: Stage, _look: Look, cloth: Cloth) -> None:
    """A pair of socks, one half over the other."""
    leg = stage.vary(112, 34)
    scale = min(1.5, 330 / (leg + 96))
    figure = Figure(stage, cloth, Pose.near(stage, 200 - 35 * scale, 200 - (leg + 96) * scale / 2, scale))
    for shift_x, shift_y in ((52, -10), (-26, 8)):
        spots: list[Spot] = [
            (-28, 0, 0), (26, 0, 0), (25, leg * 0.6), (31, leg), (60, leg + 34), (92, leg + 54),
            (98, leg + 78),
            (70, leg + 88), (26, leg + 74), (-18, leg + 52), (-33, leg + 26), (-27, leg * 0.5),
        ]  # fmt: skip
        figure.part([(s[0] + shift_x, s[1] + shift_y, *s[2:]) for s in spots], tilt=0)
        figure.crease(shift_x - 24, shift_y + leg + 12, shift_x + 26, shift_y + leg + 2, 6, 4)
        figure.crease(shift_x - 18, shift_y + leg + 40, shift_x + 36, shift_y + leg + 24, 7, -4)
        figure.crease(shift_x + 4, shift_y + 20, shift_x + 2, shift_y + leg, 11, 4)
    figure.show()
    figure.band([(-54, 15), (0, 15)], 16)
    figure.band([(27, -2), (78, -2)], 16)
    toe = [
        (shift + x, lift + y)
        for shift, lift in ((-26, 8),)
        for x, y in ((58, leg + 44), (54, leg + 64), (60, leg + 84))
    ]
    figure.seam(toe, 1.5, 0.5)
    figure.seam([(-58, 8 + leg + 22), (-40, 8 + leg + 20), (-30, 8 + leg + 44)], 1.5, 0.5)
