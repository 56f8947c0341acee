"""Colours and patterns: what they look like, what shoppers call them, and how often they are sold.

Knows nothing of garments.
"""

from __future__ import annotations

from dataclasses import dataclass

RGB = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Colour:
    """One colour of the made-up shop; every item has exactly one main colour."""

    name: str
    rgb: RGB
    words: tuple[str, ...]
    """What shoppers call it, most usual first; no word belongs to two colours."""
    weight: float
    """How often it is sold, relative to the others."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """One pattern; `plain` is the only one that shoppers never ask for."""

    name: str
    words: tuple[str, ...]
    """What shoppers call it; a phrase that opens with "with" goes behind the type."""
    weight: float


COLOURS = (
    Colour("black", (30, 30, 33), ("black",), 16),
    Colour("white", (243, 242, 238), ("white", "off white"), 11),
    Colour("grey", (146, 148, 151), ("grey", "gray"), 8),
    Colour("navy", (31, 42, 78), ("navy", "dark blue", "navy blue"), 9),
    Colour("blue", (44, 92, 178), ("blue", "royal blue"), 8),
    Colour("light blue", (158, 194, 226), ("light blue", "baby blue", "sky blue", "pale blue"), 6),
    Colour("beige", (214, 192, 160), ("beige", "sand", "tan"), 8),
    Colour("brown", (112, 74, 48), ("brown", "chocolate"), 5),
    Colour("red", (193, 33, 42), ("red", "bright red"), 5),
    Colour("burgundy", (104, 26, 44), ("burgundy", "wine red", "maroon", "dark red"), 3),
    Colour("pink", (235, 160, 182), ("pink", "rose pink", "light pink"), 6),
    Colour("fuchsia", (206, 34, 118), ("fuchsia", "hot pink", "magenta"), 2),
    Colour("purple", (104, 62, 142), ("purple", "violet"), 2),
    Colour("lilac", (192, 172, 219), ("lilac", "lavender"), 2),
    Colour("green", (38, 122, 74), ("green", "emerald"), 4),
    Colour("khaki", (98, 102, 66), ("khaki", "olive", "army green", "khaki green"), 4),
    Colour("mint", (170, 216, 192), ("mint", "light green", "mint green"), 2),
    Colour("turquoise", (32, 150, 158), ("turquoise", "teal"), 2),
    Colour("yellow", (240, 200, 64), ("yellow", "mustard"), 3),
    Colour("orange", (226, 116, 38), ("orange", "rust"), 2),
)

PATTERNS = (
    Pattern("plain", ("plain",), 60),
    Pattern("striped", ("striped", "stripe", "stripy", "with stripes"), 11),
    Pattern("checked", ("checked", "check", "plaid", "tartan"), 7),
    Pattern("dotted", ("polka dot", "spotted", "dotted", "with dots"), 5),
    Pattern("floral", ("floral", "flower print", "flowery", "with flowers"), 6),
    Pattern("melange", ("marl", "melange", "heather"), 5),
    Pattern("animal", ("leopard print", "animal print", "leopard"), 3),
    Pattern("graphic", ("graphic", "with print", "with motif", "printed"), 5),
)

DENIM_COLOURS = ("blue", "navy", "light blue", "black", "grey", "white")
"""Jeans are dyed in these only."""


def is_dark(rgb: RGB) -> bool:
    """Whether light marks stand out on `rgb`."""
    red, green, blue = rgb
    return 0.299 * red + 0.587 * green + 0.114 * blue < 118
