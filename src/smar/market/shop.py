"""Writes a whole made-up shop: items, pictures, event log, judged queries and a page that says it is made up.

Knows nothing of models; what it writes is read like any other shop.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from smar.errors import DataError
from smar.files import whole_folder
from smar.market.config import MarketConfig
from smar.market.intents import Intents, hold_out
from smar.market.judgments import Judged, judge
from smar.market.photos import draw_photos, image_path
from smar.market.shoppers import simulate
from smar.market.stock import VALUES, Stock, draw_stock
from smar.market.titles import category, description, title

__all__ = ["MarketConfig", "make_shop"]


def make_shop(folder: Path, config: MarketConfig) -> None:
    """Write the shop that `config` describes to `folder`, whole or not at all.

    With more than one worker, call it from a main module that can be imported (`if __name__ == "__main__":`).

    Raises:
        DataError: there is something at `folder` already.
    """
    folder = Path(folder)
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise DataError(f"{folder}: exists already; remove it or choose another name")
    stock = draw_stock(config)
    ids = item_ids(len(stock))
    intents = Intents.of(stock)
    held_out = hold_out(intents, config)
    judged = judge(intents, held_out, ids, config)
    forbidden = [text for split in judged.values() for text in split.queries["query"]]
    kept = [wish for wishes in held_out.values() for wish in wishes]
    with whole_folder(folder) as part:
        items_table(stock, ids).write_parquet(part / "items.parquet")
        drawn_table(stock, ids).write_parquet(part / "drawn.parquet")
        events = simulate(intents, kept, forbidden, ids, config)
        events.write_parquet(part / "events.parquet")
        for split, tables in judged.items():
            tables.queries.write_parquet(part / f"queries.{split}.parquet")
            tables.qrels.write_parquet(part / f"qrels.{split}.parquet")
        pictures = draw_photos(stock, ids, part, config.seed, config.workers)
        (part / "README.md").write_text(_readme(config, stock, events, judged, pictures), encoding="utf-8")


def item_ids(count: int) -> list[str]:
    """Names of the items, in the order of their rows."""
    return [f"p{row:07d}" for row in range(count)]


def items_table(stock: Stock, ids: list[str]) -> pl.DataFrame:
    """What the shop knows and says of its items; colour and pattern of fashion are not in it."""
    rows = range(len(stock))
    has_image = stock.has_image.tolist()
    return pl.DataFrame(
        {
            "item_id": ids,
            "title": [title(stock, row) for row in rows],
            "brand": [stock.value("brand", row) for row in rows],
            "category": [category(stock, row) for row in rows],
            "description": [description(stock, row) for row in rows],
            "department": ["fashion" if fashion else "general" for fashion in stock.is_fashion.tolist()],
            "image": [image_path(row, ids[row]) if has_image[row] else None for row in rows],
            "price": stock.price,
            "in_stock": stock.in_stock,
            "audience": _names(stock, "audience"),
            "material": _names(stock, "material"),
            "season": _names(stock, "season"),
            "rating": stock.rating,
        }
    )


def drawn_table(stock: Stock, ids: list[str]) -> pl.DataFrame:
    """What was drawn and why an item is relevant: for checking judgements, never for training."""
    truth = ("colour", "pattern", "sleeve", "neckline", "length", "audience", "brand", "spec", "pack")
    columns = {name: _names(stock, name) for name in truth}
    kinds = [stock.type(row).name for row in range(len(stock))]
    return pl.DataFrame({"item_id": ids, "type": kinds, **columns, "is_arrival": stock.is_arrival})


def _names(stock: Stock, name: str) -> pl.Series:
    values = VALUES[name]
    return pl.Series(
        [values[code] if code >= 0 else None for code in stock.values[name].tolist()], dtype=pl.String
    )


def _readme(
    config: MarketConfig, stock: Stock, events: pl.DataFrame, judged: Mapping[str, Judged], pictures: int
) -> str:
    clicks = events.filter(pl.col("event") == "click").height
    orders = events.height - clicks
    queries = "\n".join(
        f"| queries.{split}.parquet, qrels.{split}.parquet | {tables.queries.height:,} queries, "
        f"{tables.qrels.height:,} judgements | exact, grade 1: the item has all that the query asks for |"
        for split, tables in judged.items()
    )
    arrivals = int(stock.is_arrival.sum())
    changed = config.model_dump(exclude_defaults=True, exclude={"items", "seed", "workers"})
    also = f"\nSettings that differ from the defaults: {changed}\n" if changed else ""
    return f"""# A made-up shop

Nothing in it exists: pictures are drawn, titles composed, shoppers simulated. Made by

    smar make-shop DIR --items {config.items} --seed {config.seed}
{also}
| file | rows | what |
|---|---|---|
| items.parquet | {len(stock):,} | {int(stock.is_fashion.sum()):,} fashion items; the rest general goods |
| images/ | {pictures:,} | JPEG, longest side 224 |
| events.parquet | {events.height:,} | {clicks:,} clicks, {orders:,} orders, {config.days} days |
{queries}
| drawn.parquet | {len(stock):,} | what each item truly is: for checking judgements, **never for training** |

Titles and descriptions of fashion leave out colour, pattern, sleeves, necklines and lengths: the picture
shows them. Judged queries ask for combinations that no session of the log asks for; {arrivals:,} items
are new arrivals, judged but never clicked. Numbers measured here say that a program works, not how good
it is in a real shop.
"""
