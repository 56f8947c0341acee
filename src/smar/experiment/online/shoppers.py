"""Simulated shoppers that use a running service over HTTP, in place of real ones: they search, look, click and order.

What they want is known from judged queries. Knows the service's address; nothing of what answers there.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from smar.data.records import Query
from smar.errors import ConfigError
from smar.progress import progress_bar

PAGE = 24
_THREADS = 4
_SECONDS = 30


@dataclass(frozen=True)
class Habits:
    """How shoppers behave, much as those of the made-up shop do (our choice)."""

    searches: float = 2.0
    """Mean number of searches of a user, at least one each."""
    position_bias: float = 0.9
    """They look at rank r with probability 1 / r ** position_bias."""
    clicks: float = 0.36
    """How often a relevant item that was looked at is clicked; others one time in forty."""
    orders: float = 0.25
    """How often a clicked relevant item is ordered."""


@dataclass(frozen=True)
class Service:
    """Where the service answers, and a key that may write."""

    address: str
    key: str

    def search(self, q: str, user: str) -> list[dict[str, Any]]:
        """The items that the service shows."""
        found = self._post("search", {"q": q, "user": user, "k": PAGE})
        return [hit["item"] for hit in found["hits"]]

    def tell(self, user: str, event: str, item_id: str, price: float | None = None) -> None:
        """Say what a user did."""
        self._post("events", {"user": user, "event": event, "item_id": item_id, "price": price})

    def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        if not self.address.startswith(("http://", "https://")):
            raise ConfigError(
                f"{self.address}: is no address of a service; give one such as http://localhost:8000"
            )
        request = urllib.request.Request(  # noqa: S310 (checked above)
            f"{self.address}/v1/{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_SECONDS) as reply:  # noqa: S310
                found: dict[str, Any] = json.load(reply)
                return found
        except urllib.error.HTTPError as error:
            said = error.read().decode(errors="replace")[:300]
            raise ConfigError(
                f"{self.address}: answered {error.code} ({said}); see docs/online-test.md"
            ) from error
        except OSError as error:
            raise ConfigError(
                f"{self.address}: cannot be reached ({error}); start `smar serve` there"
            ) from error


def send_shoppers(
    service: Service,
    queries: Sequence[Query],
    qrels: Mapping[str, Mapping[str, int]],
    users: int,
    seed: int = 0,
    habits: Habits = Habits(),
) -> None:
    """Let `users` search for what judged queries ask, click what answers them, and order some of it.

    Raises:
        ConfigError: the service cannot be reached, runs no online test, or refuses the key.
    """
    judged = [
        query for query in queries if any(grade >= 1 for grade in qrels.get(query.query_id, {}).values())
    ]

    def shop(number: int) -> None:
        chance = np.random.default_rng([seed, number])
        user = f"shopper-{seed}-{number}"
        for _ in range(1 + chance.poisson(habits.searches - 1)):
            query = judged[int(chance.integers(len(judged)))]
            shown = service.search(query.text, user)
            for item in _clicked(shown, qrels[query.query_id], habits, chance):
                service.tell(user, "click", item["item_id"])
                is_relevant = qrels[query.query_id].get(item["item_id"], 0) >= 1
                if is_relevant and chance.random() < habits.orders:
                    service.tell(user, "order", item["item_id"], item["price"] or 1.0)

    with ThreadPoolExecutor(_THREADS) as pool, progress_bar("shoppers", users) as bar:
        for _ in pool.map(shop, range(users)):
            bar.advance(1)


def _clicked(
    shown: Sequence[dict[str, Any]], wanted: Mapping[str, int], habits: Habits, chance: np.random.Generator
) -> Iterator[dict[str, Any]]:
    for rank, item in enumerate(shown, start=1):
        looks = chance.random() < rank**-habits.position_bias
        likes = chance.random() < (habits.clicks if wanted.get(item["item_id"], 0) >= 1 else 1 / 40)
        if looks and likes:
            yield item
