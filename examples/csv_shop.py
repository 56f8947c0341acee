"""A shop of csv files, from writing it to searching it: items with photos, counted clicks, judged queries.

    python examples/csv_shop.py FOLDER

Writes FOLDER (which must not exist yet), checks it, ranks its items by words, and judges that ranking. To learn
from its clicks, go on with `smar train FOLDER --config configs/demo.toml --out runs/csv`.
"""

from __future__ import annotations

import csv
import sys
from itertools import product
from pathlib import Path

from PIL import Image
from rich import print as show

import smar
from smar.data.check import check_shop, format_check

COLOURS = {"navy": (20, 30, 90), "red": (190, 30, 40), "green": (40, 120, 60), "white": (235, 235, 230)}
GARMENTS = ("Jumper", "Dress", "Shirt", "Scarf")
CABLES = ("USB Cable 1 m", "USB Cable 2 m", "HDMI Cable 2 m", "Audio Cable 3 m")


def write_shop(folder: Path) -> None:
    """Write 20 items: garments whose colour only the photo shows, and cables whose title says all."""
    (folder / "photos").mkdir(parents=True)
    items, clicks, queries, qrels = [], [], [], []
    for number, (garment, colour) in enumerate(product(GARMENTS, COLOURS)):
        item_id, image = f"g{number:02d}", f"photos/g{number:02d}.png"
        Image.new("RGB", (64, 64), COLOURS[colour]).save(folder / image)
        items.append((item_id, f"{garment}, relaxed fit", "fashion", image, 20 + number, "true"))
        clicks.append((f"{colour} {garment}", item_id, 3 + number % 4, number % 2))
        clicks.append((garment, item_id, 1, 0))
        queries.append((f"q{number:02d}", f"{garment} in {colour}", "fashion"))
        qrels.append((f"q{number:02d}", item_id, 1))
    for number, title in enumerate(CABLES):
        items.append((f"c{number:02d}", title, "cables", "", 5 + number, "true"))
        clicks.append((title, f"c{number:02d}", 5, 1))
        queries.append((f"k{number:02d}", f"buy {title}", "cables"))
        qrels.append((f"k{number:02d}", f"c{number:02d}", 1))
    write(folder / "items.csv", ("item_id", "title", "department", "image", "price", "in_stock"), items)
    write(folder / "clicks.csv", ("query", "item_id", "clicks", "orders"), clicks)
    write(folder / "queries.dev.csv", ("query_id", "query", "department"), queries)
    write(folder / "qrels.dev.csv", ("query_id", "item_id", "grade"), qrels)


def write(path: Path, names: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    """Write one table."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([names, *rows])


def main(folder: Path) -> None:
    """Write the shop, check it, search it by words, and judge that."""
    write_shop(folder)
    show(format_check(check_shop(folder)))
    shop = smar.Shop.open(folder)
    print(shop)
    print(shop.clicks())
    words = smar.BM25.build(shop.catalog)
    print(words.rank(["usb cable"], k=3))
    print(smar.evaluate(words, shop.queries("dev"), shop.qrels("dev"), ["R@5", "nDCG@5"]))


if __name__ == "__main__":
    if len(sys.argv) != 2 or Path(sys.argv[1]).exists():
        sys.exit("usage: python examples/csv_shop.py FOLDER (which must not exist yet)")
    main(Path(sys.argv[1]))
