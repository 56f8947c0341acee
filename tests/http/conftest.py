"""A small run in service, without a network: requests go straight to the application."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
import pytest
from starlette.testclient import TestClient

from model_fakes import small_model, write_shop
from service_place import Place
from smar.data.catalog import Catalog
from smar.data.shop import Shop
from smar.serving.app import create_app


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("service")
    shop = write_shop(folder / "shop", copies=2)
    numbers = pl.Series("price", [float(row) for row in range(len(shop.catalog))])
    table = shop.catalog.table.with_columns(
        price=numbers,
        in_stock=numbers % 2 == 0,
        brand=pl.when(numbers < 10).then(pl.lit("Acme")).otherwise(pl.lit("Bolt")),
    )
    shop = Shop(shop.folder, Catalog(table, shop.folder))
    model = small_model(cache=folder / "cache")
    model.save(folder / "run" / "model")
    place = Place(folder / "run", shop, model)
    place.publish()
    return place


@pytest.fixture(scope="session")
def client(place: Place) -> Iterator[TestClient]:
    with TestClient(create_app(place.run), raise_server_exceptions=False) as client:
        yield client
