"""What a made-up shop can be asked for.

Knows nothing of how it is made.
"""

from __future__ import annotations

from pydantic import Field

from smar.config import Config


class MarketConfig(Config):
    """A made-up shop: its size, its seed, and how its shoppers behave."""

    items: int = Field(default=10_000, ge=20, le=5_000_000)
    """Items in the shop."""
    seed: int = Field(default=0, ge=0)
    """The same seed (and the same other fields) gives the same bytes."""
    days: int = Field(default=60, ge=1, le=3650)
    """Days that the event log covers."""
    sessions: int | None = Field(default=None, ge=1)
    """Search sessions in the log; two for every item if left out."""
    fashion_share: float = Field(default=0.6, ge=0.05, le=0.95)
    """Part of the items that are fashion, which is bought by its picture; the rest is bought by its title."""
    arrivals: float = Field(default=0.12, ge=0, le=0.5)
    """Part of the designs that arrived after the log ended: in the shop, judged, never clicked."""
    without_image: float = Field(default=0.10, ge=0, le=1)
    """Part of the general goods that have no picture."""
    typos: float = Field(default=0.06, ge=0, le=1)
    """Part of the queries with one slip of the finger."""
    wandering: float = Field(default=0.10, ge=0, le=1)
    """Part of the sessions with one click anywhere on the page, relevant or not."""
    position_bias: float = Field(default=0.9, ge=0, le=3)
    """A shopper looks at rank r with probability 1 / r ** position_bias."""
    judged: int | None = Field(default=None, ge=1)
    """Queries of each judged split; 3.5 times the root of the items, between 60 and 2,000, if left out."""
    workers: int | None = Field(default=None, ge=1)
    """Processes that draw; changes the time, never the bytes."""

    @property
    def session_count(self) -> int:
        """Search sessions in the log."""
        return self.sessions or 2 * self.items

    @property
    def judged_count(self) -> int:
        """Queries wanted for each judged split."""
        return self.judged or max(60, min(2000, round(3.5 * self.items**0.5)))
