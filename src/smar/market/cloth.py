"""Cloth: a colour, a pattern that repeats, and a weave, laid over outlines and bent by their folds.

Knows nothing of which garment it becomes.
"""

from __future__ import annotations

import colorsys
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import skia

from smar.market.motifs import DOTS_A_UNIT, pattern_tile
from smar.market.palette import RGB, is_dark
from smar.market.stage import Stage, ink, shade

Fold = tuple[float, float, float, float, float, float]
"""A crease: x, y of both ends, its width, and its height (negative: a hollow)."""

WEAVES = {
    "knit": ("lambswool", "merino wool", "cotton knit"),
    "twill": ("denim", "cotton twill", "stretch twill", "canvas", "cotton piqué"),
    "fuzz": ("wool blend", "bouclé wool", "brushed cotton", "cotton fleece", "suede"),
    "smooth": ("leather", "leather look", "nylon", "modal", "viscose", "crêpe", "mesh"),
}


@dataclass(frozen=True, slots=True)
class Cloth:
    """What a garment is made of, ready to be laid over its parts."""

    rgb: RGB
    pattern: skia.Paint | None
    """Paints the repeating pattern, in pixels of its tile; None for plain cloth."""
    weave: str
    stretch: float = 1.0
    """Scale of the pattern."""

    @classmethod
    def cut(cls, rgb: RGB, pattern: str, material: str, chance: np.random.Generator) -> Cloth:
        """Dye a bolt near `rgb`, print `pattern` on it and weave it like `material`."""
        dyed = dye(rgb, chance)
        tile = pattern_tile(pattern, dyed, chance)
        weave = next((name for name, materials in WEAVES.items() if material in materials), "plain")
        return cls(dyed, None if tile is None else _repeating(tile), weave, float(chance.uniform(0.85, 1.2)))

    def plain(self, factor: float = 1.0) -> Cloth:
        """The same cloth without its pattern, darker or lighter by `factor`."""
        return Cloth(shade(self.rgb, factor), None, self.weave)


def dye(rgb: RGB, chance: np.random.Generator) -> RGB:
    """A tone close to `rgb`: no two dye baths are the same, and none leaves its colour."""
    hue, light, saturation = colorsys.rgb_to_hls(*(part / 255 for part in rgb))
    hue = (hue + chance.normal(0, 0.008)) % 1
    light = min(0.96, max(0.09, light + chance.normal(0, 0.018)))
    saturation = min(1.0, saturation * chance.uniform(0.9, 1.08))
    red, green, blue = colorsys.hls_to_rgb(hue, light, saturation)
    return round(255 * red), round(255 * green), round(255 * blue)


def lay(stage: Stage, path: skia.Path, cloth: Cloth, folds: skia.Image, tilt: float = 0.0) -> None:
    """Cover `path` with `cloth`, shaded by `folds`: pattern and weave turned by `tilt` degrees."""
    canvas = stage.canvas
    canvas.drawPath(path, ink(cloth.rgb))
    canvas.save()
    canvas.clipPath(path, skia.ClipOp.kIntersect, True)
    if cloth.pattern is not None:
        _print_pattern(stage, path, cloth, cloth.pattern, tilt)
    canvas.save()
    canvas.rotate(tilt)
    size = 0.5 if cloth.weave != "knit" else 0.62
    canvas.scale(size, size)
    canvas.drawPaint(_weave_paint(cloth.weave))
    canvas.restore()
    whole = skia.Rect(0, 0, stage.width, stage.height)
    source = skia.Rect(0, 0, folds.width(), folds.height())
    canvas.drawImageRect(folds, source, whole, _LINEAR, skia.Paint())
    canvas.save()
    canvas.translate(stage.light[0] * 4, stage.light[1] * 4)
    dark = 0.42 if is_dark(cloth.rgb) else 0.27
    canvas.drawPath(path, ink(shade(cloth.rgb, 0.18), dark, stroke=13, blur=6.0))
    canvas.restore()
    canvas.restore()
    canvas.drawPath(path, ink(shade(cloth.rgb, 0.45), 0.55, stroke=1.1))


def fold_shading(stage: Stage, folds: Sequence[Fold], cloth: Cloth, strength: float = 1.0) -> skia.Image:
    """Light and dark over the whole table, from creases `folds` and a few that nobody ironed."""
    step = 6.0
    grid_x, grid_y = _grid(stage.width, stage.height, step)
    height = np.zeros_like(grid_x)
    for x1, y1, x2, y2, width, rise in folds:
        length = math.hypot(x2 - x1, y2 - y1) + 1e-6
        along = ((grid_x - x1) * (x2 - x1) + (grid_y - y1) * (y2 - y1)) / length**2
        bend = 0.06 * length * float(stage.chance.uniform(-1, 1))
        across = ((grid_x - x1) * (y2 - y1) - (grid_y - y1) * (x2 - x1)) / length
        across = across - bend * np.sin(np.clip(along, 0, 1) * math.pi)
        taper = np.clip(1.15 - np.abs(along - 0.5) * 2.3, 0, 1)
        height += rise * taper * np.exp(-((across / width) ** 2))
    for _ in range(3):
        angle, length, phase = stage.chance.uniform((0, 45, 0), (math.pi, 110, 6.28)).tolist()
        wave = (grid_x * math.cos(angle) + grid_y * math.sin(angle)) * 2 * math.pi / length
        height += 0.7 * np.sin(wave + phase)
    slope_y, slope_x = np.gradient(height, step)
    lit = (slope_x * stage.light[0] + slope_y * stage.light[1]) * 0.55 * strength
    middle_x, middle_y = stage.width / 2, stage.height / 2
    toward = (grid_x - middle_x) / stage.width * stage.light[0] + (
        grid_y - middle_y
    ) / stage.height * stage.light[1]
    return _as_overlay(lit + 0.16 * toward, cloth)


def _as_overlay(lit: np.ndarray, cloth: Cloth) -> skia.Image:
    """Positive values become white, negative ones a deep tone of the cloth."""
    gain = (0.75, 0.9) if is_dark(cloth.rgb) else (0.8, 0.85)
    alpha = np.clip(np.where(lit > 0, lit * gain[0], -lit * gain[1]), 0, 0.62)
    deep = shade(cloth.rgb, 0.16)
    pixels = np.empty((*lit.shape, 4), np.uint8)
    for channel, dark in enumerate(deep):
        pixels[..., channel] = np.where(lit > 0, 255, dark)
    pixels[..., 3] = np.rint(alpha * 255)
    return skia.Image.fromarray(pixels, skia.kRGBA_8888_ColorType)


def _print_pattern(stage: Stage, path: skia.Path, cloth: Cloth, paint: skia.Paint, tilt: float) -> None:
    """Draw the tile over a mesh whose texture sways, so that lines bend with the body."""
    bounds = path.getBounds()
    columns, rows = 6, 7
    across, down = np.meshgrid(np.linspace(-1, 1, columns), np.linspace(0, 1, rows))
    x = bounds.centerX() + across * bounds.width() / 2
    y = bounds.top() + down * bounds.height()
    phase = stage.chance.uniform(0, 6.28, 2)
    sway_x = 2.4 * np.sin(down * 5.0 + phase[0]) * np.abs(across)
    sway_y = 5.0 * (across**2 - 0.5) * (0.3 + 0.7 * down) + 1.5 * np.sin(across * 4.5 + phase[1])
    turn, dots = math.radians(tilt), DOTS_A_UNIT / cloth.stretch
    u = (x + sway_x - bounds.centerX()) * math.cos(turn) + (y + sway_y - bounds.top()) * math.sin(turn)
    v = -(x + sway_x - bounds.centerX()) * math.sin(turn) + (y + sway_y - bounds.top()) * math.cos(turn)
    u, v = u * dots, v * dots
    places = [skia.Point(a, b) for a, b in zip(x.ravel().tolist(), y.ravel().tolist(), strict=True)]
    texture = [skia.Point(a, b) for a, b in zip(u.ravel().tolist(), v.ravel().tolist(), strict=True)]
    mesh = skia.Vertices(skia.Vertices.kTriangles_VertexMode, places, texture, None, _mesh(columns, rows))
    stage.canvas.drawVertices(mesh, paint, skia.BlendMode.kDst)


@functools.lru_cache(maxsize=8)
def _mesh(columns: int, rows: int) -> list[int]:
    corners = []
    for row in range(rows - 1):
        for column in range(columns - 1):
            here = row * columns + column
            corners += [here, here + 1, here + columns, here + 1, here + columns + 1, here + columns]
    return corners


@functools.lru_cache(maxsize=8)
def _grid(width: float, height: float, step: float) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(
        np.arange(0, width + step, step) + step / 2, np.arange(0, height + step, step) + step / 2
    )
    return x.astype(np.float32), y.astype(np.float32)


def _repeating(tile: skia.Image) -> skia.Paint:
    """A paint that repeats `tile`. Setting a shader copies the whole picture: do it once, not once a part."""
    paint = skia.Paint()
    paint.setShader(tile.makeShader(skia.TileMode.kRepeat, skia.TileMode.kRepeat, _LINEAR))
    return paint


@functools.lru_cache(maxsize=8)
def _weave_paint(weave: str) -> skia.Paint:
    return _repeating(_weave_tile(weave))


def _weave_tile(weave: str) -> skia.Image:
    """Threads as light and dark specks to lay over a colour, two pixels a unit; the same for every shop."""
    size = 128
    noise = np.random.default_rng(7).normal(0, 1, (size, size))
    y, x = np.mgrid[0:size, 0:size]
    match weave:
        case "knit":
            lines = np.sin(x * 2 * np.pi / 8) + 0.55 * np.sin(
                y * 2 * np.pi / 8 + 2.2 * np.cos(x * 2 * np.pi / 8)
            )
            tone = 0.085 * lines + 0.03 * noise
        case "twill":
            tone = 0.05 * np.sin((x + y) * 2 * np.pi / 8) + 0.045 * noise
        case "fuzz":
            soft = noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1) + np.roll(noise, (1, 1), (0, 1))
            tone = 0.042 * soft
        case "smooth":
            tone = 0.012 * noise
        case _:
            tone = 0.03 * noise + 0.02 * np.sin(y * 2 * np.pi / 4)
    pixels = np.zeros((size, size, 4), np.uint8)
    pixels[..., :3] = np.where(tone > 0, 255, 0)[..., None]
    pixels[..., 3] = np.rint(np.clip(np.abs(tone), 0, 0.4) * 255)
    return skia.Image.fromarray(pixels, skia.kRGBA_8888_ColorType)


_LINEAR = skia.SamplingOptions(skia.FilterMode.kLinear)
