"""Takes the picture of any fashion item: which silhouette draws which type.

Knows nothing of the shop around it.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from smar.market.accessories import (
    draw_backpack,
    draw_beanie,
    draw_cap,
    draw_handbag,
    draw_scarf,
)
from smar.market.bottoms import draw_legs, draw_skirt, draw_socks
from smar.market.cloth import Cloth
from smar.market.figure import Look
from smar.market.palette import COLOURS
from smar.market.shoes import draw_boots, draw_trainers
from smar.market.stage import Stage, backdrop, paper_tone
from smar.market.tops import SHAPES, draw_top

Draw = Callable[[Stage, Look, Cloth], None]

_SILHOUETTES: dict[str, Draw] = {
    "skirt": draw_skirt,
    "trousers": draw_legs,
    "jeans": draw_legs,
    "shorts": draw_legs,
    "socks": draw_socks,
    "scarf": draw_scarf,
    "trainers": draw_trainers,
    "boots": draw_boots,
    "handbag": draw_handbag,
    "backpack": draw_backpack,
    "cap": draw_cap,
    "beanie": draw_beanie,
}
_SQUARE = ("trainers", "boots", "handbag", "backpack", "cap", "beanie", "socks")
_RGB = {colour.name: colour.rgb for colour in COLOURS}


def draw_fashion(look: Look, chance: np.random.Generator) -> bytes:
    """A JPEG of `look`; the rest (pose, tone, light, print) is left to `chance`."""
    stage = Stage.open(400 if look.type in _SQUARE else 300, 400, chance)
    backdrop(stage, paper_tone(stage, _RGB[look.colour]))
    cloth = Cloth.cut(_RGB[look.colour], look.pattern, look.material, chance)
    silhouette = draw_top if look.type in SHAPES else _SILHOUETTES[look.type]
    silhouette(stage, look, cloth)
    return stage.jpeg()
