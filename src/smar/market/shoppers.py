"""Simulated shoppers: what they wish for, what the shop shows them, where they look, what they click and buy.

Knows nothing of pictures; relevance comes from the attributes alone.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from smar.market.config import MarketConfig
from smar.market.intents import KINDS, Intent, Intents
from smar.market.stock import Stock
from smar.market.wording import word_intent
from smar.progress import progress_bar

FIRST_DAY = datetime(2025, 3, 3)
PAGE = 24
"""Items on a result page."""
_BLOCK = 16
"""Sessions with one wish that choose from one shelf; then the shelf is filled again."""
_TYPE_KINDS = {kind.department: number for number, kind in enumerate(KINDS) if not kind.fields}
_HOURS = np.array([2, 1, 1, 1, 1, 2, 4, 6, 7, 8, 9, 9, 10, 9, 8, 8, 9, 10, 12, 14, 15, 13, 8, 4], float)


@dataclass(frozen=True, slots=True)
class _Clicks:
    session: NDArray[np.int64]
    item: NDArray[np.int64]
    position: NDArray[np.int64]
    is_relevant: NDArray[np.bool_]

    def where(self, kept: NDArray[np.bool_]) -> _Clicks:
        return _Clicks(self.session[kept], self.item[kept], self.position[kept], self.is_relevant[kept])


@dataclass(frozen=True, slots=True)
class _Market:
    """What all sessions share."""

    intents: Intents
    config: MarketConfig
    chance: np.random.Generator

    @property
    def stock(self) -> Stock:
        return self.intents.stock


@dataclass(frozen=True, slots=True)
class _Wish:
    """One wish, the items that fulfil it, and all items of its type."""

    intent: Intent
    members: NDArray[np.int32]
    neighbours: NDArray[np.int32]

    @classmethod
    def of(cls, intents: Intents, number: int) -> _Wish:
        intent, members = intents[number], intents.members(number)
        same_type = intents.of_item[_TYPE_KINDS[intent.kind.department]][int(members[0])]
        return cls(intent, members, intents.members(int(same_type)))


def simulate(
    intents: Intents,
    held_out: Collection[int],
    forbidden: Collection[str],
    ids: list[str],
    config: MarketConfig,
) -> pl.DataFrame:
    """The event log: nobody asks a wish of `held_out` or types a text of `forbidden`; no arrival is shown."""
    market = _Market(intents, config, np.random.default_rng([config.seed, 4]))
    numbers = np.sort(_wishes(market, held_out))
    texts: list[str] = []
    pages: list[_Clicks] = []
    with progress_bar("shoppers", len(numbers)) as bar:
        for number, first, last in _runs(numbers):
            wish = _Wish.of(intents, number)
            texts += [word_intent(wish.intent, config.typos, market.chance) for _ in range(first, last)]
            blocks = (range(start, min(start + _BLOCK, last)) for start in range(first, last, _BLOCK))
            pages += [_page(market, wish, block) for block in blocks]
            bar.advance(last - first)
    clicks = _Clicks(
        np.concatenate([page.session for page in pages]),
        np.concatenate([page.item for page in pages]),
        np.concatenate([page.position for page in pages]),
        np.concatenate([page.is_relevant for page in pages]),
    )
    typed = pl.Series("query", texts)
    allowed = (~typed.is_in(list(forbidden))).to_numpy()[clicks.session]
    return _log(market, clicks.where(allowed), typed, ids)


def _wishes(market: _Market, held_out: Collection[int]) -> NDArray[np.int64]:
    """The wish of every session: a popular item, and a kind of wish that it can stand for."""
    intents, chance = market.intents, market.chance
    stock, wanted = intents.stock, market.config.session_count
    weights = np.where(stock.is_arrival, 0.0, stock.popularity)
    forbidden = np.zeros(len(intents), bool)
    forbidden[list(held_out)] = True
    of_item = np.stack(intents.of_item)
    kind_weights = {
        department: np.array([kind.weight if kind.department == department else 0.0 for kind in KINDS])
        for department in ("fashion", "general")
    }
    found = np.empty(0, np.int64)
    while len(found) < wanted:
        rows = chance.choice(len(stock), size=wanted, p=weights / weights.sum())
        kinds = np.where(
            stock.is_fashion[rows],
            chance.choice(len(KINDS), size=wanted, p=kind_weights["fashion"] / kind_weights["fashion"].sum()),
            chance.choice(len(KINDS), size=wanted, p=kind_weights["general"] / kind_weights["general"].sum()),
        )
        wishes = of_item[kinds, rows].astype(np.int64)
        found = np.concatenate([found, wishes[(wishes >= 0) & ~forbidden[wishes]]])
    return found[:wanted]


def _runs(wishes: NDArray[np.int64]) -> Iterator[tuple[int, int, int]]:
    """(wish, first, last) of each run of equal, sorted `wishes`."""
    starts = np.flatnonzero(np.r_[True, wishes[1:] != wishes[:-1]])
    for first, last in zip(starts.tolist(), [*starts[1:].tolist(), len(wishes)], strict=True):
        yield int(wishes[first]), first, last


def _page(market: _Market, wish: _Wish, sessions: range) -> _Clicks:
    """Show each session its own page of a noisy ranking, and let it look and click."""
    stock, config, chance, intent = market.stock, market.config, market.chance, wish.intent
    strays = chance.integers(0, len(stock), 6)
    shelf = np.unique(np.r_[_some(wish.members, 36, chance), _some(wish.neighbours, 40, chance), strays])
    shelf = shelf[~stock.is_arrival[shelf]]
    of_type = stock.types[shelf] == intent.type
    fulfilled = of_type.astype(float)
    for field, value in zip(intent.kind.fields, intent.values, strict=True):
        fulfilled += of_type & (stock.values[field][shelf] == value)
    fulfilled /= 1 + len(intent.kind.fields)
    relevant = fulfilled == 1
    liking = np.log(stock.popularity[shelf])
    liking = (liking - liking.mean()) / (liking.std() + 1e-9)
    score = 4.0 * fulfilled + 0.45 * liking + chance.normal(0, 0.75, (len(sessions), len(shelf)))
    order = np.argsort(-score, axis=1, kind="stable")[:, :PAGE]
    looks = (np.arange(order.shape[1]) + 1.0) ** -config.position_bias
    taste = np.where(relevant, 0.36 * np.exp(0.25 * liking), 0.015 + 0.07 * fulfilled**2)
    clicked = chance.random(order.shape) < looks * np.minimum(taste, 0.95)[order]
    wanders = np.flatnonzero(chance.random(len(sessions)) < config.wandering)
    clicked[wanders, chance.integers(0, order.shape[1], len(wanders))] = True
    session, place = np.nonzero(clicked)
    item = order[session, place]
    return _Clicks(session + sessions.start, shelf[item].astype(np.int64), place + 1, relevant[item])


def _some(rows: NDArray[np.int32], count: int, chance: np.random.Generator) -> NDArray[np.int32]:
    return rows if len(rows) <= count else rows[chance.integers(0, len(rows), count)]


def _log(market: _Market, clicks: _Clicks, typed: pl.Series, ids: list[str]) -> pl.DataFrame:
    """Clicks and orders of all sessions in the order of time."""
    stock, chance, sessions = market.stock, market.chance, len(typed)
    session, item, position = clicks.session, clicks.item, clicks.position
    starts = _starts(sessions, market.config.days, chance)
    names = np.empty(sessions, np.int64)
    names[np.argsort(starts, kind="stable")] = np.arange(sessions)
    people = max(20, sessions // 6)
    users = np.minimum((people * chance.random(sessions) ** 1.6).astype(np.int64), people - 1)
    # Within a session clicks come from the top of the page downwards.
    waits = chance.integers(4, 45, len(session)) + 9 * position
    first_of_session = np.r_[True, session[1:] != session[:-1]][: len(session)]
    total = np.cumsum(waits)
    before = np.maximum.accumulate(np.where(first_of_session, total - waits, 0))
    clicked_at = starts[session] + total - before
    bought = chance.random(len(session)) < np.where(clicks.is_relevant, 0.11, 0.01)
    bought &= stock.in_stock[item]
    ordered_at = clicked_at[bought] + chance.integers(60, 1200, int(bought.sum()))
    rows = np.concatenate([np.arange(len(session)), np.flatnonzero(bought)])
    at = np.concatenate([clicked_at, ordered_at])
    is_order = np.arange(len(rows)) >= len(session)
    order = np.lexsort((is_order, position[rows], session[rows], at))
    rows, at, is_order = rows[order], at[order], is_order[order]
    return pl.DataFrame(
        {
            "timestamp": np.datetime64(FIRST_DAY, "us") + at.astype("timedelta64[s]"),
            "session_id": [f"s{name:07d}" for name in names[session[rows]].tolist()],
            "user_id": [f"u{name:06d}" for name in users[session[rows]].tolist()],
            "query": typed.gather(session[rows]),
            "item_id": pl.Series(ids).gather(item[rows]),
            "position": position[rows].astype(np.int64),
            "event": np.where(is_order, "order", "click"),
            "price": pl.Series(stock.price[item[rows]]).set(pl.Series(~is_order), None),
        }
    )


def _starts(sessions: int, days: int, chance: np.random.Generator) -> NDArray[np.int64]:
    """Seconds since the first day: more on weekends and evenings, none in the log's last two hours."""
    weights = np.array([1.25 if day % 7 >= 5 else 1.0 for day in range(days)])
    day = chance.choice(days, size=sessions, p=weights / weights.sum())
    hour = chance.choice(24, size=sessions, p=_HOURS / _HOURS.sum())
    second = day * 86400 + hour * 3600 + chance.integers(0, 3600, sessions)
    return np.asarray(np.minimum(second, days * 86400 - 7200))
