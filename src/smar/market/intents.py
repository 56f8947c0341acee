"""What shoppers can want: every combination of attributes that some item has, and which items have it.

Knows nothing of words or clicks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smar.market.config import MarketConfig
from smar.market.stock import PLAIN, TYPES, VALUES, Codes, Stock


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of wish: the type, and these attributes besides."""

    name: str
    fields: tuple[str, ...]
    department: str
    weight: float
    """How often shoppers of the department wish like that."""


KINDS = (
    Kind("type", (), "fashion", 5),
    Kind("colour+type", ("colour",), "fashion", 30),
    Kind("pattern+type", ("pattern",), "fashion", 12),
    Kind("colour+pattern+type", ("colour", "pattern"), "fashion", 18),
    Kind("detail+type", ("sleeve",), "fashion", 3),
    Kind("detail+type", ("neckline",), "fashion", 3),
    Kind("detail+type", ("length",), "fashion", 3),
    Kind("colour+detail+type", ("colour", "sleeve"), "fashion", 5),
    Kind("colour+detail+type", ("colour", "neckline"), "fashion", 5),
    Kind("colour+detail+type", ("colour", "length"), "fashion", 5),
    Kind("audience+type", ("audience",), "fashion", 3),
    Kind("colour+audience+type", ("colour", "audience"), "fashion", 5),
    Kind("brand+type", ("brand",), "fashion", 6),
    Kind("type", (), "general", 6),
    Kind("spec+type", ("spec",), "general", 36),
    Kind("spec+pack+type", ("spec", "pack"), "general", 26),
    Kind("brand+type", ("brand",), "general", 16),
    Kind("brand+spec+type", ("brand", "spec"), "general", 16),
)
SPLITS = ("dev", "test")
LARGEST_JUDGED = 2000
"""A wish that more items fulfil than this is not judged: nobody could look at them all."""


@dataclass(frozen=True, slots=True)
class Intent:
    """One wish in full."""

    kind: Kind
    type: int
    values: tuple[int, ...]
    """Codes of `kind.fields`."""

    @property
    def wanted(self) -> dict[str, str]:
        """The attributes by name."""
        return {
            field: VALUES[field][code] for field, code in zip(self.kind.fields, self.values, strict=True)
        } | {"type": TYPES[self.type].name}


@dataclass(frozen=True, slots=True)
class Intents:
    """All wishes that the shop can fulfil, numbered; `of_item[kind][row]` is the wish an item stands for."""

    stock: Stock
    kinds: Codes
    counts: Codes
    """How many items fulfil each wish."""
    of_item: tuple[Codes, ...]
    """For each kind: each item's wish, or -1."""
    _order: tuple[Codes, ...]
    _starts: NDArray[np.int64]

    @classmethod
    def of(cls, stock: Stock) -> Intents:
        """List every wish of every kind that at least one item fulfils."""
        kinds, counts, of_item, orders, starts = [], [], [], [], []
        first = 0
        for number, kind in enumerate(KINDS):
            fits = stock.is_fashion == (kind.department == "fashion")
            key = stock.types.astype(np.int64)
            for field in kind.fields:
                codes = stock.values[field]
                fits &= (codes >= 0) if field != "pattern" else (codes != PLAIN) & (codes >= 0)
                key = key * 1024 + codes
            rows = np.flatnonzero(fits).astype(np.int32)
            keys, inverse, count = np.unique(key[rows], return_inverse=True, return_counts=True)
            wishes = np.full(len(stock), -1, np.int32)
            wishes[rows] = first + inverse
            of_item.append(wishes)
            orders.append(rows[np.argsort(inverse, kind="stable")])
            starts.append(np.cumsum(count) - count)
            kinds.append(np.full(len(keys), number, np.int32))
            counts.append(count.astype(np.int32))
            first += len(keys)
        return cls(
            stock,
            np.concatenate(kinds),
            np.concatenate(counts),
            tuple(of_item),
            tuple(orders),
            np.concatenate(starts),
        )

    def __len__(self) -> int:
        return len(self.kinds)

    def members(self, intent: int) -> Codes:
        """Rows of exactly the items that fulfil a wish, in order: this is the judgement."""
        start = int(self._starts[intent])
        return self._order[int(self.kinds[intent])][start : start + int(self.counts[intent])]

    def __getitem__(self, intent: int) -> Intent:
        kind, row = KINDS[int(self.kinds[intent])], int(self.members(intent)[0])
        values = tuple(int(self.stock.values[field][row]) for field in kind.fields)
        return Intent(kind, int(self.stock.types[row]), values)


def hold_out(intents: Intents, config: MarketConfig) -> dict[str, list[int]]:
    """Wishes kept for judging, by split; the log never asks for them.

    A wish may come up to three times, to be worded in several ways. Small shops have few wishes:
    at most a sixth of each kind goes to a split, so that the log keeps most.
    """
    chance = np.random.default_rng([config.seed, 2])
    total = {
        name: sum(kind.weight for kind in KINDS if kind.department == name) for name in ("fashion", "general")
    }
    shares = {"fashion": 0.6, "general": 0.4}
    held: dict[str, list[int]] = {split: [] for split in SPLITS}
    for number, kind in enumerate(KINDS):
        pool = np.flatnonzero((intents.kinds == number) & (intents.counts <= LARGEST_JUDGED))
        asked = round(config.judged_count * shares[kind.department] * kind.weight / total[kind.department])
        size = min(asked, int(np.ceil(len(pool) / 6)), len(pool) // 3)
        if size == 0:
            continue
        weights = np.sqrt(intents.counts[pool])
        chosen = chance.choice(pool, size=2 * size, replace=False, p=weights / weights.sum())
        for place, split in enumerate(SPLITS):
            mine = np.sort(chosen[place * size : (place + 1) * size]).tolist()
            held[split] += (mine * 3)[:asked]
    return held
