"""What shoppers asked for before they clicked an item, or one like it, as part of the item's vectors.

Knows vectors and which item is which; nothing of a log of clicks, nor of how much it should count.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from smar.config import Config
from smar.data.catalog import Catalog
from smar.files import digest
from smar.model.arrays import ItemArrays
from smar.model.precision import is_fast_in_bfloat16
from smar.progress import track

_ROWS_AT_ONCE = 512
_FEW_BLOCKS = 4
_TEMPERATURE = 0.1
"""Of the neighbours' shares: one that is more alike by this cosine counts e times as much."""
_NEIGHBOURS_COUNT = 1.0
"""What all neighbours count together, in pairs of mean weight, beside an item's own clicks."""
_NOT_OWN = -1e4

Names = Int64[np.ndarray, " item"]
"""A number for each item, by its id and title: `item_names`."""
NOBODYS = -1
"""The name of an item that is not of the shop."""


class MemoryConfig(Config):
    """What vectors keep of the queries that items were clicked for."""

    neighbours: int = Field(default=0, ge=0)
    """Clicked items that an item is likened to (`configs/mart-best.toml` has 32); 0 leaves the memory out."""


class Recalled(NamedTuple):
    """For text and for multimodal vectors, what was asked for each item, or ones like it: unit vectors."""

    text: Float32[np.ndarray, "item width"]
    multimodal: Float32[np.ndarray, "item width"]


class ClickMemory(nn.Module):
    """Draws an item's vector S(s) towards the queries that led to it: unit(S(s) + w m(s)) (our choice).

    m(s) = unit(P(s) + n M(s)): M is the mean of Q(q) over the queries that the item was clicked for, n what their
    clicks count, and P the mean of M over the clicked items whose meaning is nearest. So an item that nobody has
    clicked has an m(s) as well. It must: queries are more like one another than like items, and had only clicked items
    a part of them, these would outrank all new arrivals. Text and multimodal vectors have their own neighbours, and
    each their own w.
    """

    names: Tensor
    text: Tensor
    multimodal: Tensor
    asked: Tensor
    clicks: Tensor
    text_weight: Tensor
    multimodal_weight: Tensor

    def __init__(self, config: MemoryConfig, items: int, meaning: int, width: int) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("names", torch.zeros(items, dtype=torch.long))
        for name, size in (("text", meaning), ("multimodal", meaning), ("asked", width)):
            self.register_buffer(name, torch.zeros((items, size), dtype=torch.float16))
        self.register_buffer("clicks", torch.zeros(items))
        for name in ("text_weight", "multimodal_weight"):
            self.register_buffer(name, torch.zeros(()))

    def __len__(self) -> int:
        return len(self.names)

    @torch.no_grad()
    def keep(
        self,
        names: Names,
        items: ItemArrays,
        asked: Float32[np.ndarray, "item width"],
        clicks: Float32[np.ndarray, " item"],
    ) -> None:
        """Take clicked `items` in the order of their `names`, M(s) as `asked` and n as `clicks`."""
        assert (np.diff(names) > 0).all()
        self.names.copy_(torch.from_numpy(names))
        meaning = self.text.shape[1]
        for into, vectors in ((self.text, items.text), (self.multimodal, items.multimodal)):
            into.copy_(_unit(torch.from_numpy(vectors[:, :meaning])))
        self.asked.copy_(torch.from_numpy(asked))
        self.clicks.copy_(torch.from_numpy(clicks))

    def weigh(self, text: float, multimodal: float) -> None:
        """Say how far either kind of vectors is drawn."""
        self.text_weight.fill_(text)
        self.multimodal_weight.fill_(multimodal)

    def blend(self, items: ItemArrays, recalled: Recalled) -> ItemArrays:
        """Vectors drawn to what is `recalled` of their items; their lengths stay as they are."""
        seen = items.has_image
        text = _drawn(items.text, recalled.text, float(self.text_weight))
        multimodal = text.copy()
        multimodal[seen] = _drawn(
            items.multimodal[seen], recalled.multimodal[seen], float(self.multimodal_weight)
        )
        return ItemArrays(text, multimodal, seen)

    def recall(
        self, items: ItemArrays, names: Names, is_new: Bool[np.ndarray, " item"] | None = None
    ) -> Recalled:
        """m(s) of items, for either kind of their vectors; without an image the two are the same.

        Those that `is_new` tells are treated as if nobody had clicked them: an item is never its own neighbour, and
        what is remembered of their own clicks is left out too.
        """
        new = np.zeros(len(names), np.bool_) if is_new is None else is_new
        text = self._recall(items.text, names, new, self.text)
        multimodal, seen = text.copy(), items.has_image
        multimodal[seen] = self._recall(items.multimodal[seen], names[seen], new[seen], self.multimodal)
        return Recalled(text, multimodal)

    @torch.inference_mode()
    def _recall(
        self,
        vectors: Float32[np.ndarray, "item dim"],
        names: Names,
        is_new: Bool[np.ndarray, " item"],
        keys: Tensor,
    ) -> Float32[np.ndarray, "item width"]:
        device, meaning = keys.device, keys.shape[1]
        # Neighbours are found in half precision where that is fast: it is most of the work.
        keys = keys.to(torch.bfloat16 if is_fast_in_bfloat16(device) else torch.float32)
        asked, clicks = self.asked.float(), self.clicks
        own, new = (torch.from_numpy(one).to(device) for one in (self._places(names), is_new))
        found = np.empty((len(vectors), asked.shape[1]), np.float32)
        blocks = _blocks(len(vectors))
        # A few items take no time worth showing; a service asks for one.
        for rows in track(blocks, "recalling clicks") if len(blocks) > _FEW_BLOCKS else blocks:
            place = own[rows]
            kept = torch.nonzero(place >= 0).squeeze(1)
            like = _unit(torch.from_numpy(vectors[rows, :meaning]).to(device)).to(keys.dtype) @ keys.T
            like[kept, place[kept]] = _NOT_OWN
            near = like.float().topk(min(self.config.neighbours, len(keys)))
            shares = (near.values / _TEMPERATURE).softmax(dim=1)
            mixed = _NEIGHBOURS_COUNT * (shares[:, :, None] * asked[near.indices]).sum(1)
            clicked = kept[~new[rows][kept]]
            mixed[clicked] += clicks[place[clicked], None] * asked[place[clicked]]
            found[rows] = _unit(mixed).cpu().numpy()
        return found

    def _places(self, names: Names) -> Int64[np.ndarray, " item"]:
        """Where each item is among the clicked ones, or -1."""
        known = self.names.cpu().numpy()
        at = np.searchsorted(known, names).clip(max=len(known) - 1)
        places: Int64[np.ndarray, " item"] = np.where(known[at] == names, at, -1)
        return places


def item_names(catalog: Catalog) -> Names:
    """What stands for each item: one of another shop, or that became another product, has another title too."""
    rows = catalog.table.select("item_id", "title").iter_rows()
    return np.array([int(digest(item_id, title)[:15], 16) for item_id, title in rows], dtype=np.int64)


def _drawn(
    vectors: Float32[np.ndarray, "item dim"], recalled: Float32[np.ndarray, "item width"], weight: float
) -> Float32[np.ndarray, "item dim"]:
    """The first components of `vectors`, as many as what is recalled has, moved towards it."""
    drawn = vectors.copy()
    width = recalled.shape[1]
    for rows in _blocks(len(vectors)) if weight else ():
        plain = torch.from_numpy(vectors[rows, :width])
        moved = _unit(_unit(plain) + weight * torch.from_numpy(recalled[rows]))
        drawn[rows, :width] = (moved * plain.norm(dim=1, keepdim=True)).numpy()
    return drawn


def _blocks(count: int) -> list[slice]:
    return [slice(start, start + _ROWS_AT_ONCE) for start in range(0, count, _ROWS_AT_ONCE)]


def _unit(vectors: Tensor) -> Tensor:
    return F.normalize(vectors.float(), dim=1)
