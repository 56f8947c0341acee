"""A thing put together from parts on the table: where it lies, its parts, its creases, its seams and buttons.

Knows nothing of which thing it is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import skia

from smar.market.cloth import Cloth, Fold, fold_shading, lay
from smar.market.palette import RGB, is_dark
from smar.market.stage import Spot, Stage, cast_shadow, flipped, ink, outline, shade


@dataclass(frozen=True, slots=True)
class Look:
    """Everything a picture shows of a fashion item, by name; empty where the type does not vary."""

    type: str
    colour: str
    pattern: str
    material: str
    fit: str = ""
    sleeve: str = ""
    neckline: str = ""
    length: str = ""
    audience: str = ""


@dataclass(frozen=True, slots=True)
class Pose:
    """Where the middle of a thing's top edge lies, how large it is and how far it is turned (radians)."""

    x: float
    y: float
    scale: float
    turn: float

    @classmethod
    def near(cls, stage: Stage, x: float, y: float, scale: float = 1.0) -> Pose:
        """Close to (x, y): nobody lays two things down alike."""
        return cls(
            stage.vary(x, 4),
            stage.vary(y, 5),
            scale * stage.vary(1.0, 0.035),
            math.radians(stage.vary(0.0, 1.6)),
        )

    def spot(self, x: float, y: float) -> tuple[float, float]:
        """A spot of the thing, on the table."""
        sine, cosine = math.sin(self.turn), math.cos(self.turn)
        return (
            self.x + self.scale * (x * cosine - y * sine),
            self.y + self.scale * (x * sine + y * cosine),
        )


@dataclass(slots=True)
class Figure:
    """One thing of cloth; first add parts and creases, then `show`, then draw seams on top."""

    stage: Stage
    cloth: Cloth
    pose: Pose
    looseness: float = 0.9
    """How far spots stray from where they should be."""
    _parts: list[tuple[skia.Path, Cloth, float]] = field(default_factory=list)
    _folds: list[Fold] = field(default_factory=list)
    _shading: skia.Image | None = None

    def path(self, spots: Sequence[Spot], closed: bool = True, exact: bool = False) -> skia.Path:
        """The outline through `spots`, on the table; a little crooked unless `exact`."""
        stray = 0.0 if exact else self.looseness
        drift = self.stage.chance.uniform(-stray, stray, (len(spots), 2)).tolist()
        placed = [
            (*self.pose.spot(spot[0] + d[0], spot[1] + d[1]), *spot[2:])
            for spot, d in zip(spots, drift, strict=True)
        ]
        return outline(placed, closed)

    def part(self, spots: Sequence[Spot], cloth: Cloth | None = None, tilt: float = 0.0) -> skia.Path:
        """Add a part below the ones to come; its pattern is turned by `tilt` degrees."""
        path = self.path(spots)
        self._parts.append((path, cloth or self.cloth, tilt))
        return path

    def pair(self, right: Sequence[Spot], cloth: Cloth | None = None, tilt: float = 0.0) -> None:
        """Add a part and its mirror image."""
        self.part(right, cloth, tilt)
        self.part(flipped(right), cloth, -tilt)

    def crease(
        self, x1: float, y1: float, x2: float, y2: float, width: float = 8.0, rise: float = 5.0
    ) -> None:
        """A fold from one spot to another; a negative `rise` is a hollow."""
        spread = self.stage.vary(1.0, 0.35)
        ends = (*self.pose.spot(x1, y1), *self.pose.spot(x2, y2))
        self._folds.append((*ends, width * self.pose.scale, rise * spread))

    def creases(
        self, x1: float, y1: float, x2: float, y2: float, width: float = 8.0, rise: float = 5.0
    ) -> None:
        """A fold and, not quite, its mirror image."""
        for side in (1, -1):
            vary = self.stage.vary
            self.crease(
                side * (x1 + vary(0, 4)),
                y1 + vary(0, 8),
                side * (x2 + vary(0, 5)),
                y2 + vary(0, 8),
                width,
                rise,
            )

    def show(self, strength: float = 1.0) -> None:
        """Lay all parts on the table, shadows first."""
        self._shading = fold_shading(self.stage, self._folds, self.cloth, strength)
        for path, _, _ in self._parts:
            cast_shadow(self.stage, path)
        for path, cloth, tilt in self._parts:
            lay(self.stage, path, cloth, self._shading, tilt)

    def cover(self, spots: Sequence[Spot], cloth: Cloth | None = None, tilt: float = 0.0) -> skia.Path:
        """After `show`: one more part on top, throwing a close shadow on what is below."""
        assert self._shading is not None
        path = self.path(spots)
        cast_shadow(self.stage, path, depth=1.6, alpha=0.28)
        lay(self.stage, path, cloth or self.cloth, self._shading, tilt)
        return path

    def covers(self, right: Sequence[Spot], cloth: Cloth | None = None, tilt: float = 0.0) -> None:
        """`cover`, and its mirror image."""
        self.cover(right, cloth, tilt)
        self.cover(flipped(right), cloth, -tilt)

    def seam(self, spots: Sequence[Spot], width: float = 1.2, alpha: float = 0.5) -> None:
        """A line a little darker (on dark cloth: lighter) than the cloth, with its lit edge beside it."""
        dark = is_dark(self.cloth.rgb)
        path = self.path(spots, closed=False, exact=True)
        tone = shade(self.cloth.rgb, 0.35 if not dark else 0.3)
        self.stage.canvas.drawPath(path, ink(tone, alpha, stroke=width))
        path.offset(1.1, 1.1)
        self.stage.canvas.drawPath(path, ink((255, 255, 255), 0.13 if not dark else 0.16, stroke=width * 0.8))

    def seams(self, right: Sequence[Spot], width: float = 1.2, alpha: float = 0.5) -> None:
        """`seam`, and its mirror image."""
        self.seam(right, width, alpha)
        self.seam(flipped(right), width, alpha)

    def band(self, spots: Sequence[Spot], width: float, factor: float = 0.86, closed: bool = False) -> None:
        """A ribbed band along `spots`: a collar, a cuff, a hem."""
        path = self.path(spots, closed=closed, exact=True)
        tone = shade(self.cloth.rgb, 1.16 if is_dark(self.cloth.rgb) and factor < 1 else factor)
        size = self.pose.scale
        edge = ink(shade(self.cloth.rgb, 0.45), 0.55, stroke=(width + 1.6) * size)
        fill = ink(tone, 1.0, stroke=width * size)
        for paint in (edge, fill):
            paint.setStrokeCap(skia.Paint.kButt_Cap)
            self.stage.canvas.drawPath(path, paint)
        ribs = ink(shade(self.cloth.rgb, 0.4), 0.30, stroke=width * 0.9 * size)
        ribs.setStrokeCap(skia.Paint.kButt_Cap)
        ribs.setPathEffect(skia.DashPathEffect.Make([1.1, 2.3], 0))
        self.stage.canvas.drawPath(path, ribs)

    def button(self, x: float, y: float, radius: float, rgb: RGB) -> None:
        """A round button with a rim of light and a shadow."""
        at_x, at_y = self.pose.spot(x, y)
        canvas, size = self.stage.canvas, radius * self.pose.scale
        canvas.drawCircle(at_x + 1, at_y + 1.4, size, ink((20, 18, 18), 0.4, blur=1.2))
        canvas.drawCircle(at_x, at_y, size, ink(rgb))
        canvas.drawCircle(at_x - size * 0.2, at_y - size * 0.25, size * 0.55, ink(shade(rgb, 1.4), 0.7))
        canvas.drawCircle(at_x, at_y, size, ink(shade(rgb, 0.4), 0.5, stroke=0.9))

    def button_colour(self) -> RGB:
        """Buttons that go with the cloth."""
        if is_dark(self.cloth.rgb):
            return shade(self.cloth.rgb, 1.28)
        return (248, 246, 240) if self.stage.chance.random() < 0.5 else shade(self.cloth.rgb, 0.62)
