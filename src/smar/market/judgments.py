"""Judged queries and their exact judgements, straight from the drawn and written attributes.

Knows nothing of clicks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from smar.market.config import MarketConfig
from smar.market.intents import Intents
from smar.market.wording import word_intent

_TRIES = 12


@dataclass(frozen=True, slots=True)
class Judged:
    """One judged split: its two tables, and which wish each query words."""

    queries: pl.DataFrame
    qrels: pl.DataFrame
    intents: tuple[int, ...]


def judge(
    intents: Intents, held_out: Mapping[str, Sequence[int]], item_ids: Sequence[str], config: MarketConfig
) -> dict[str, Judged]:
    """Word the held-out wishes, every text once over all splits, and list the items that fulfil each."""
    chance = np.random.default_rng([config.seed, 3])
    used: set[str] = set()
    ids = np.array(item_ids)
    judged = {}
    for split, wishes in held_out.items():
        rows: list[tuple[str, str, str, str, int]] = []
        qrels: list[pl.DataFrame] = []
        asked: list[int] = []
        for wish in wishes:
            text = _fresh_wording(intents, wish, used, config.typos, chance)
            if text is None:
                continue  # Every wording of this wish is taken already; its earlier queries stand.
            intent, members = intents[wish], intents.members(wish)
            name = f"{split}-{len(rows) + 1:05d}"
            rows.append((name, text, intent.kind.department, intent.kind.name, len(members)))
            qrels.append(pl.DataFrame({"query_id": name, "item_id": np.sort(ids[members]), "grade": 1}))
            asked.append(wish)
        columns = ["query_id", "query", "department", "kind", "n_relevant"]
        judged[split] = Judged(
            pl.DataFrame(rows, schema=columns, orient="row"), pl.concat(qrels), tuple(asked)
        )
    return judged


def _fresh_wording(
    intents: Intents, wish: int, used: set[str], typos: float, chance: np.random.Generator
) -> str | None:
    for _ in range(_TRIES):
        text = word_intent(intents[wish], typos, chance)
        if text not in used:
            used.add(text)
            return text
    return None
