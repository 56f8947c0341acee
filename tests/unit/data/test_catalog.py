from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from smar.data.catalog import CANONICAL, Catalog
from smar.data.records import Item
from smar.errors import DataError, QueryError

ITEMS = {
    "item_id": ["b", "a", "c"],
    "title": ["Blue vase", "Red jug", "Grün"],
    "price": [2.5, None, 3.0],
    "in_stock": [True, False, None],
    "image": ["images/b.jpg", None, None],
    "height": [10, 20, None],
    "label": ["x", None, "y,z"],
}


def write(table: pl.DataFrame, path: Path) -> None:
    match path.suffix:
        case ".parquet":
            table.write_parquet(path)
        case ".csv":
            table.write_csv(path)
        case ".jsonl":
            table.write_ndjson(path)


@pytest.fixture
def table() -> pl.DataFrame:
    return pl.DataFrame(ITEMS)


def test_rows_are_in_the_order_of_item_ids(table: pl.DataFrame, tmp_path: Path) -> None:
    catalog = Catalog.from_table(table, tmp_path)
    assert catalog.item_ids == ["a", "b", "c"]
    assert len(catalog) == 3
    assert [catalog.row(item_id) for item_id in "abc"] == [0, 1, 2]
    assert "a" in catalog
    assert "z" not in catalog


def test_every_canonical_column_exists_and_attributes_follow_with_their_types(
    table: pl.DataFrame, tmp_path: Path
) -> None:
    catalog = Catalog.from_table(table, tmp_path)
    assert catalog.table.columns == [*CANONICAL, "height", "label"]
    assert catalog.attributes == ["height", "label"]
    assert catalog.table["height"].dtype == pl.Int64
    assert catalog.table["brand"].dtype == pl.String
    assert catalog.table["price"].dtype == pl.Float64


def test_an_item_carries_its_attributes(table: pl.DataFrame, tmp_path: Path) -> None:
    item = Catalog.from_table(table, tmp_path).item(1)
    expected = Item("b", "Blue vase", image="images/b.jpg", price=2.5, in_stock=True)
    assert item.attributes == {"height": 10, "label": "x"}
    assert (item.item_id, item.title, item.brand, item.image, item.price, item.in_stock) == (
        expected.item_id,
        expected.title,
        expected.brand,
        expected.image,
        expected.price,
        expected.in_stock,
    )


def test_an_unknown_item_is_a_query_error(table: pl.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="'zz'"):
        Catalog.from_table(table, tmp_path).row("zz")


def test_an_image_path_lies_in_the_folder_and_need_not_exist(table: pl.DataFrame, tmp_path: Path) -> None:
    catalog = Catalog.from_table(table, tmp_path)
    assert catalog.image_path(0) is None
    assert catalog.image_path(1) == tmp_path / "images" / "b.jpg"


@pytest.mark.parametrize(
    "image", ["../b.jpg", "/etc/passwd", "images/../../b.jpg", "C:\\b.jpg", "a\\..\\b.jpg", "~/b.jpg", ".."]
)
def test_an_image_path_may_not_leave_the_folder(tmp_path: Path, image: str) -> None:
    table = pl.DataFrame({"item_id": ["a"], "title": ["t"], "image": [image]})
    with pytest.raises(DataError, match=r"items, row 1, image: .* leaves the shop's folder"):
        Catalog.from_table(table, tmp_path)


def test_an_image_name_with_two_dots_is_no_way_out(tmp_path: Path) -> None:
    table = pl.DataFrame({"item_id": ["a"], "title": ["t"], "image": ["images/a..b.jpg"]})
    assert Catalog.from_table(table, tmp_path).image_path(0) == tmp_path / "images/a..b.jpg"


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_the_fingerprint_does_not_depend_on_the_format(
    table: pl.DataFrame, tmp_path: Path, suffix: str
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    table.write_parquet(tmp_path / "one" / "items.parquet")
    path = tmp_path / "two" / f"items.{suffix}"
    write(table.reverse(), path)
    one, two = Catalog.read(tmp_path / "one"), Catalog.read(tmp_path / "two")
    assert one.fingerprint == two.fingerprint
    assert one.table.equals(two.table)
    changed = one.table.with_columns(price=pl.col("price") * 2)
    assert Catalog.from_table(changed, tmp_path).fingerprint != one.fingerprint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("title\nx\n", r"items\.csv: there is no column `item_id`"),
        ("item_id,title\na,x\nb,y\na,z\n", r"items\.csv, row 3, item_id: 'a' is the id of row 1 already"),
        ("item_id,title\na,x\n,y\n", r"items\.csv, row 2, item_id: is empty"),
        ("item_id,title\na,x\nb,  \n", r"items\.csv, row 2, title: is empty"),
        ("item_id,title,price\na,x,cheap\n", r"items\.csv, row 1, price: 'cheap' is not a finite number"),
        ("item_id,title,in_stock\na,x,maybe\n", r"items\.csv, row 1, in_stock: 'maybe' is not one of"),
    ],
)
def test_a_catalogue_that_cannot_be_used_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "items.csv").write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        Catalog.read(tmp_path)
    assert "smar check" in str(caught.value)


def test_ids_of_digits_stay_text(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id,title,ean\n007,x,0012\n10,y,3\n")
    catalog = Catalog.read(tmp_path)
    assert catalog.item_ids == ["007", "10"]
    assert catalog.table["ean"].to_list() == ["0012", "3"]


def test_a_folder_without_items_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no items\.parquet"):
        Catalog.read(tmp_path)


def test_a_shop_may_be_empty(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id,title\n")
    assert len(Catalog.read(tmp_path)) == 0
