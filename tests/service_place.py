"""A small run in service: where it lies, and what its replies hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smar.data.catalog import Catalog
from smar.data.shop import Shop
from smar.model.smar import SMAR
from smar.retrieval.publishing import write_generation


@dataclass(frozen=True)
class Place:
    """A run with an index, the shop it is of, and its model."""

    run: Path
    shop: Shop
    model: SMAR

    def publish(self, catalog: Catalog | None = None) -> str:
        """Publish another generation; its name."""
        log = self.shop.clicks()
        return write_generation(self.run, self.model, catalog or self.shop.catalog, log=log).name


def ids(reply: dict[str, Any]) -> list[str]:
    """The items of a reply's hits."""
    return [hit["item"]["item_id"] for hit in reply["hits"]]
