"""Some words of each item's own, as a query for it."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from smar.data.catalog import Catalog
from smar.training.stage import sample_words


def test_words_are_the_items_own_in_their_order_and_one_to_four() -> None:
    titles = ["Rödhake  Desk lamp, LED, black", "USB", "Nötö chair", "..."]
    table = pl.DataFrame(
        {"item_id": ["a", "b", "c", "d"], "title": titles, "category": ["Lamps", None, "Chairs", "x"]}
    )
    catalog = Catalog.from_table(table, Path())
    lengths = set()
    for seed in range(30):
        words = sample_words(catalog, seed)
        assert words == sample_words(catalog, seed)
        own = ["rödhake", "desk", "lamp,", "led,", "black", "lamps"]
        chosen = words[0].split()
        assert chosen == [word for word in own if word in chosen]
        assert words[1] == "usb"
        lengths.add(len(chosen))
    assert lengths == {1, 2, 3, 4}
    assert sample_words(catalog, 0) != sample_words(catalog, 1)
