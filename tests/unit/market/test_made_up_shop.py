from __future__ import annotations

import hashlib
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from smar.errors import ConfigError, DataError
from smar.market.contact_sheet import contact_sheet
from smar.market.shop import MarketConfig, make_shop

SMALL = MarketConfig(items=80, seed=3)


def contents(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("market") / "shop"
    make_shop(folder, SMALL)
    return folder


def test_the_same_seed_gives_the_same_bytes_with_one_worker_or_two(shop: Path, tmp_path: Path) -> None:
    make_shop(tmp_path / "again", SMALL.model_copy(update={"workers": 2}))
    assert contents(tmp_path / "again") == contents(shop)


def test_another_seed_gives_another_shop(shop: Path, tmp_path: Path) -> None:
    make_shop(tmp_path / "other", MarketConfig(items=80, seed=4))
    here, there = contents(shop), contents(tmp_path / "other")
    assert all(here[name] != there[name] for name in here.keys() & there.keys())


def test_a_shop_has_every_file_that_the_contract_names(shop: Path) -> None:
    names = {file.name for file in shop.iterdir()}
    assert {"items.parquet", "events.parquet", "images", "README.md"} <= names
    assert {
        f"{table}.{split}.parquet" for table in ("queries", "qrels") for split in ("dev", "test")
    } <= names


def test_every_image_named_in_the_items_decodes_and_no_other_lies_around(shop: Path) -> None:
    named = pl.read_parquet(shop / "items.parquet")["image"].drop_nulls().to_list()
    assert sorted(named) == sorted(str(file.relative_to(shop)) for file in shop.rglob("*.jpg"))
    for path in named:
        with Image.open(shop / path) as image:
            image.load()
            assert image.format == "JPEG"
            assert max(image.size) == 224


def test_every_fashion_item_has_an_image(shop: Path) -> None:
    items = pl.read_parquet(shop / "items.parquet")
    assert items.filter(department="fashion")["image"].null_count() == 0


def test_the_readme_says_that_the_shop_is_made_up_and_how(shop: Path) -> None:
    text = (shop / "README.md").read_text(encoding="utf-8")
    assert "made-up" in text
    assert "smar make-shop DIR --items 80 --seed 3" in text


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("diary")
    with pytest.raises(DataError, match="exists already; remove it or choose another name"):
        make_shop(tmp_path / "letters", SMALL)
    assert contents(tmp_path / "letters").keys() == {"dear.txt"}


def test_a_shop_without_items_is_refused() -> None:
    with pytest.raises(ConfigError, match="items = 0"):
        MarketConfig.check({"items": 0}, where="test")


def test_a_contact_sheet_shows_as_many_pictures_as_asked(shop: Path, tmp_path: Path) -> None:
    contact_sheet(shop, tmp_path / "sheet.png", columns=4, rows=3)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (4 * 108 + 4, 3 * 108 + 4)


def test_a_contact_sheet_larger_than_the_shop_is_refused(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="ask for fewer columns or rows"):
        contact_sheet(shop, tmp_path / "sheet.png", columns=40, rows=40)
