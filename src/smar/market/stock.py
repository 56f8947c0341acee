"""Decides what a made-up shop sells: designs in variants, each with the attributes that are drawn or written.

Knows nothing of pictures, titles or shoppers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smar.market.config import MarketConfig
from smar.market.fashion import (
    AUDIENCE_WORDS,
    FASHION_BRANDS,
    FASHION_TYPES,
    LENGTH_WORDS,
    NECKLINE_WORDS,
    SLEEVE_WORDS,
    STYLE_NAMES,
    FashionType,
)
from smar.market.general import GENERAL_BRANDS, GENERAL_TYPES, GeneralType
from smar.market.palette import COLOURS, DENIM_COLOURS, PATTERNS

Codes = NDArray[np.int32]

TYPES: tuple[FashionType | GeneralType, ...] = (*FASHION_TYPES, *GENERAL_TYPES)


def _distinct(lists: Sequence[Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for words in lists for word in words))


VALUES: dict[str, tuple[str, ...]] = {
    "colour": tuple(colour.name for colour in COLOURS),
    "pattern": tuple(pattern.name for pattern in PATTERNS),
    "sleeve": tuple(SLEEVE_WORDS),
    "neckline": tuple(NECKLINE_WORDS),
    "length": tuple(LENGTH_WORDS),
    "audience": tuple(AUDIENCE_WORDS),
    "fit": _distinct([kind.fits for kind in FASHION_TYPES]),
    "material": _distinct([kind.materials for kind in FASHION_TYPES]),
    "brand": (*FASHION_BRANDS, *_distinct(list(GENERAL_BRANDS.values()))),
    "spec": _distinct([kind.specs for kind in GENERAL_TYPES]),
    "pack": _distinct([kind.packs for kind in GENERAL_TYPES]),
    "season": ("spring", "summer", "autumn", "winter", "all year"),
    "style": STYLE_NAMES,
}
"""Every value of every attribute; items hold its place in the list, or -1."""

PLAIN = VALUES["pattern"].index("plain")


@dataclass(frozen=True, slots=True)
class Stock:
    """Every item of the shop, one row each, as columns."""

    types: Codes
    """Place in `TYPES`."""
    values: dict[str, Codes]
    """For each attribute, its place in `VALUES`, or -1 where the item has none."""
    designs: Codes
    """Which design the item is a variant of."""
    is_arrival: NDArray[np.bool_]
    """Whether the design arrived after the log ended."""
    has_image: NDArray[np.bool_]
    in_stock: NDArray[np.bool_]
    price: NDArray[np.float64]
    rating: NDArray[np.float64]
    popularity: NDArray[np.float64]
    noun: Codes
    """Which of the sellers' nouns the title uses."""

    def __len__(self) -> int:
        return len(self.types)

    @property
    def is_fashion(self) -> NDArray[np.bool_]:
        """Whether each item needs its picture."""
        return np.asarray(self.types < len(FASHION_TYPES))

    def value(self, name: str, row: int) -> str:
        """The attribute `name` of an item, or an empty string."""
        code = int(self.values[name][row])
        return VALUES[name][code] if code >= 0 else ""

    def type(self, row: int) -> FashionType | GeneralType:
        """What an item is."""
        return TYPES[int(self.types[row])]


def draw_stock(config: MarketConfig) -> Stock:
    """Fill the shelves; `config.seed` decides everything."""
    chance = np.random.default_rng([config.seed, 1])
    fashion = round(config.items * config.fashion_share)
    count = config.items
    designs = np.concatenate([_variants(fashion, chance), _variants(count - fashion, chance)])
    designs[fashion:] += designs[fashion - 1] + 1
    design_count = int(designs[-1]) + 1
    is_fashion_design = np.zeros(design_count, bool)
    is_fashion_design[designs[:fashion]] = True
    design_types = np.where(
        is_fashion_design,
        _weighted(FASHION_TYPES, design_count, chance),
        len(FASHION_TYPES) + _weighted(GENERAL_TYPES, design_count, chance),
    ).astype(np.int32)
    types = design_types[designs]
    values: dict[str, Codes] = {name: np.full(count, -1, np.int32) for name in VALUES}
    _fill_designs(values, design_types, designs, chance)
    _fill_variants(values, types, designs, chance)
    arrival_designs = chance.random(design_count) < config.arrivals
    stock = Stock(
        types=types,
        values=values,
        designs=designs.astype(np.int32),
        is_arrival=arrival_designs[designs],
        has_image=(types < len(FASHION_TYPES)) | (chance.random(count) >= config.without_image),
        in_stock=chance.random(count) < 0.96,
        price=_prices(types, values, chance.lognormal(0, 0.35, design_count)[designs]),
        rating=np.clip(chance.normal(4.1, 0.45, count), 1, 5).round(1),
        popularity=_popularity(design_count, chance)[designs] * chance.lognormal(0, 0.5, count),
        noun=chance.integers(0, 1 << 20, design_count)[designs].astype(np.int32),
    )
    return _shuffled(stock, chance.permutation(count))


def _shuffled(stock: Stock, order: NDArray[np.int64]) -> Stock:
    """The same items in another order, so that an item id tells nothing about the item."""
    return Stock(
        types=stock.types[order],
        values={name: codes[order] for name, codes in stock.values.items()},
        designs=stock.designs[order],
        is_arrival=stock.is_arrival[order],
        has_image=stock.has_image[order],
        in_stock=stock.in_stock[order],
        price=stock.price[order],
        rating=stock.rating[order],
        popularity=stock.popularity[order],
        noun=stock.noun[order],
    )


def _variants(items: int, chance: np.random.Generator) -> NDArray[np.int64]:
    """The design of each item: designs come in one to four variants."""
    sizes = chance.choice([1, 2, 3, 4], size=items, p=[0.3, 0.3, 0.25, 0.15])
    return np.repeat(np.arange(items), sizes)[:items]


def _weighted(
    kinds: Sequence[FashionType | GeneralType], count: int, chance: np.random.Generator
) -> NDArray[np.int64]:
    weights = np.array([kind.weight for kind in kinds])
    return chance.choice(len(kinds), size=count, p=weights / weights.sum())


def _popularity(designs: int, chance: np.random.Generator) -> NDArray[np.float64]:
    """Zipf: the design of rank r is wanted 1 / r ** 0.75 as often as the first."""
    return np.asarray((chance.permutation(designs) + 1.0) ** -0.75)


def _pick(
    name: str, options: Sequence[str], count: int, chance: np.random.Generator, slope: float = 0.7
) -> Codes:
    """`count` values out of `options`, earlier ones more often."""
    codes = np.array([VALUES[name].index(option) for option in options], np.int32)
    weights = (np.arange(len(options)) + 1.0) ** -slope
    return codes[chance.choice(len(options), size=count, p=weights / weights.sum())]


def _fill_designs(
    values: dict[str, Codes], design_types: Codes, designs: NDArray[np.int64], chance: np.random.Generator
) -> None:
    """What all variants of a design share."""
    shared = {name: np.full(len(design_types), -1, np.int32) for name in VALUES}
    for code, kind in enumerate(TYPES):
        rows = np.flatnonzero(design_types == code)
        if isinstance(kind, GeneralType):
            shared["brand"][rows] = _pick("brand", GENERAL_BRANDS[kind.brands], len(rows), chance)
            continue
        options = {
            "sleeve": kind.sleeves,
            "neckline": kind.necklines,
            "length": kind.lengths,
            "audience": kind.audiences,
            "fit": kind.fits,
            "material": kind.materials,
            "brand": FASHION_BRANDS,
            "season": VALUES["season"],
        }
        for name, choices in options.items():
            if choices:
                shared[name][rows] = _pick(name, choices, len(rows), chance, 0.7 if name == "brand" else 0.35)
        shared["style"][rows] = chance.integers(0, len(STYLE_NAMES), len(rows))
        # A vest top shows no neckline worth asking for, and a roll neck no other collar.
        shared["neckline"][rows[shared["sleeve"][rows] == VALUES["sleeve"].index("sleeveless")]] = -1
    for name in ("sleeve", "neckline", "length", "audience", "fit", "material", "brand", "season", "style"):
        values[name][:] = shared[name][designs]


def _fill_variants(
    values: dict[str, Codes], types: Codes, designs: NDArray[np.int64], chance: np.random.Generator
) -> None:
    """What tells the variants of a design apart: colour and pattern, or the specifications."""
    for code, kind in enumerate(TYPES):
        rows = np.flatnonzero(types == code)
        if isinstance(kind, GeneralType):
            values["spec"][rows] = _pick("spec", kind.specs, len(rows), chance, 0.4)
            values["pack"][rows] = _pick("pack", kind.packs, len(rows), chance, 0.4)
            continue
        values["pattern"][rows] = _dealt("pattern", kind.patterns, len(rows), chance)
        dyes = DENIM_COLOURS if kind.name == "jeans" else VALUES["colour"]
        values["colour"][rows] = _dealt("colour", dyes, len(rows), chance)
        for _ in range(4):  # A design is not sold twice in one colour and pattern, if chance allows.
            looks = designs[rows] * 1024 + values["colour"][rows] * 32 + values["pattern"][rows]
            again = np.ones(len(rows), bool)
            again[np.unique(looks, return_index=True)[1]] = False
            values["colour"][rows[again]] = _dealt("colour", dyes, int(again.sum()), chance)


def _dealt(name: str, options: Sequence[str], count: int, chance: np.random.Generator) -> Codes:
    weight = {entry.name: entry.weight for entry in (COLOURS if name == "colour" else PATTERNS)}
    weights = np.array([weight[option] for option in options])
    codes = np.array([VALUES[name].index(option) for option in options], np.int32)
    return codes[chance.choice(len(options), size=count, p=weights / weights.sum())]


def _prices(types: Codes, values: dict[str, Codes], spread: NDArray[np.float64]) -> NDArray[np.float64]:
    """The type's median, spread by design; a larger pack costs more."""
    price = np.array([kind.price for kind in TYPES])[types] * spread
    for code, kind in enumerate(TYPES):
        if isinstance(kind, GeneralType):
            steps = np.zeros(len(VALUES["pack"]))
            steps[[VALUES["pack"].index(pack) for pack in kind.packs]] = np.arange(len(kind.packs))
            rows = types == code
            price[rows] *= 0.7 + 0.35 * steps[values["pack"][rows]]
    return np.asarray(np.maximum(1.99, np.floor(price) + 0.99))
