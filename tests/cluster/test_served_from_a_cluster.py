"""The service over a cluster: the same replies as over this machine's index, generations that take over, and policy."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pymilvus import MilvusClient
from starlette.testclient import TestClient

from cluster.conftest import ADDRESS
from cluster.load import RandomModel, plain_shop
from model_fakes import small_model, write_shop
from smar.data.catalog import Catalog
from smar.data.shop import Shop
from smar.errors import DataError, MismatchError
from smar.model.smar import SMAR
from smar.retrieval.engine import SearchEngine
from smar.retrieval.engines.milvus.address import MilvusAddress
from smar.retrieval.generations import current, generations
from smar.retrieval.index import IndexConfig
from smar.retrieval.publishing import write_generation
from smar.serving.app import create_app
from smar.serving.config import ServeConfig
from smar.serving.keys import new_key

pytestmark = pytest.mark.cluster
WRITER, WRITER_LINES = new_key("shop", "write")
AS_WRITER = {"Authorization": f"Bearer {WRITER}"}


@pytest.fixture
def client(milvus: object) -> Iterator[MilvusClient]:
    """Someone else who reads the cluster."""
    client = MilvusClient(ADDRESS.replace("milvus", "http"))
    yield client
    client.close()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, SMAR]:
    folder = tmp_path_factory.mktemp("shop")
    shop = write_shop(folder / "shop", copies=4)
    place = pl.int_range(pl.len())
    table = shop.catalog.table.with_columns(
        price=place.cast(pl.Float64), in_stock=place % 2 == 0, brand=pl.when(place < 10).then(pl.lit("Acme"))
    )
    return Shop(shop.folder, Catalog(table, shop.folder)), small_model(cache=folder / "cache")


def collections(client: MilvusClient, alias: str) -> set[str]:
    return {name for name in client.list_collections() if name.startswith(f"{alias}_")}


REQUESTS: list[dict[str, Any]] = [
    {"q": "red shirt"},
    {"q": "cable", "k": 3, "offset": 4},
    {"q": "red shirt", "image": "soft", "k": 20},
    {"q": "red dress", "filters": {"price": {"min": 3, "max": 30}, "in_stock": True}},
    {"q": "red dress", "filters": {"brand": "Acme"}, "mode": "hybrid"},
    {"q": "dress without red", "mode": "semantic"},
    {"q": "cable", "mode": "lexical"},
    {
        "q": "shirt",
        "boost": [
            {"field": "brand", "value": "Acme", "weight": 0.3},
            {"field": "in_stock", "value": False, "weight": -0.2},
        ],
    },
]


def test_replies_are_those_of_an_index_on_this_machine(
    client: MilvusClient, shop: tuple[Shop, SMAR], tmp_path: Path
) -> None:
    (tmp_path / "keys.toml").write_text(WRITER_LINES, encoding="utf-8")
    apps = {}
    for name, address in (("here", None), ("there", f"{ADDRESS}?name=replies")):
        run = tmp_path / name
        shop[1].save(run / "model")
        cluster = MilvusAddress.of(address)
        write_generation(run, shop[1], shop[0].catalog, log=shop[0].clicks(), cluster=cluster)
        config = ServeConfig(keys=tmp_path / "keys.toml", engine=address)
        apps[name] = TestClient(create_app(run, config), raise_server_exceptions=False)

    def both(method: str, path: str, **asked: Any) -> list[dict[str, Any]]:
        replies = [app.request(method, path, headers=AS_WRITER, **asked) for app in (here, there)]
        assert [reply.status_code for reply in replies] == [200, 200], [reply.text for reply in replies]
        return [reply.json() for reply in replies]

    def assert_same(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
        assert theirs["served"]["coverage"] == 1
        assert [hit["score"] for hit in theirs["hits"]] == pytest.approx(
            [hit["score"] for hit in ours["hits"]], abs=1e-5
        )
        last = ours["hits"][-1]["score"] + 1e-5
        found = [
            {hit["item"]["item_id"] for hit in reply["hits"] if hit["score"] > last}
            for reply in (ours, theirs)
        ]
        assert found[0] == found[1]

    with apps["here"] as here, apps["there"] as there:
        first = here.get("/v1/search", params={"q": "shirt"}).json()["hits"][0]["item"]["item_id"]
        for changed in (False, True):
            for request in REQUESTS:
                assert_same(*both("POST", "/v1/search", json=request))
            assert_same(*both("GET", f"/v1/similar/{first}", params={"k": 5}))
            explained = both("POST", "/v1/search", json={"q": "red shirt", "explain": True})
            for ours, theirs in zip(*(reply["hits"] for reply in explained), strict=True):
                assert ours["why"]["text"] == pytest.approx(theirs["why"]["text"], abs=1e-5)
                assert ours["why"]["rank_by_text"] == theirs["why"]["rank_by_text"]
            if not changed:
                both("PUT", "/v1/items/sofa-1", json={"title": "red velvet sofa", "price": 9})
                both("DELETE", f"/v1/items/{explained[0]['hits'][0]['item']['item_id']}")


def test_each_reply_is_of_one_generation_while_the_alias_switches_and_is_rolled_back(
    client: MilvusClient, shop: tuple[Shop, SMAR], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run, address = tmp_path / "run", MilvusAddress.parse(f"{ADDRESS}?name=switched")
    shop[1].save(run / "model")
    (tmp_path / "keys.toml").write_text(WRITER_LINES, encoding="utf-8")

    def publish(mark: str) -> str:
        table = shop[0].catalog.table.with_columns(brand=pl.lit(mark))
        catalog = Catalog(table, shop[0].folder)
        return write_generation(run, shop[1], catalog, cluster=address).name

    brands = {publish("one"): "one"}
    seen: list[tuple[str, frozenset[str]]] = []
    by_alias: dict[int, list[frozenset[str]]] = {number: [] for number in range(4)}
    stop = threading.Event()
    query = shop[1].embed_queries(["red shirt"]).vectors.tolist()
    (column,) = (
        field["name"]
        for field in client.describe_collection("switched")["fields"]
        if field["type"].name == "VARCHAR" and field["name"] == "c0"
    )

    def search_service(app: TestClient) -> None:
        while not stop.is_set():
            reply = app.get("/v1/search", params={"q": "red shirt", "k": 30})
            assert reply.status_code == 200, reply.text
            found = reply.json()
            assert found["served"]["coverage"] == 1
            seen.append(
                (found["served"]["generation"], frozenset(hit["item"]["brand"] for hit in found["hits"]))
            )

    def search_alias(number: int) -> None:
        while not stop.is_set():
            (hits,) = client.search("switched", query, limit=30, filter="key >= 0", output_fields=[column])
            by_alias[number].append(frozenset(hit["entity"][column] for hit in hits))

    config = ServeConfig(engine=str(address), keys=tmp_path / "keys.toml")
    with TestClient(create_app(run, config)) as app:
        threads = [threading.Thread(target=search_service, args=(app,)) for _ in range(4)]
        threads += [threading.Thread(target=search_alias, args=(number,)) for number in by_alias]
        for thread in threads:
            thread.start()
        try:
            for mark in ("two", "three"):
                brands[publish(mark)] = mark
            until_answers(app, current(run / "index").name)
            rolled = app.post("/v1/generations/rollback", headers=AS_WRITER).json()
            assert brands[rolled["answers"]] == "two"
            for _ in range(200):
                if all(answers[-1] == {"two"} for answers in by_alias.values()):
                    break
                threading.Event().wait(0.1)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert "names another collection still" not in caplog.text
    assert {brands for _, brands in seen} == {frozenset({brand}) for brand in brands.values()}
    assert all(found == {brands[generation]} for generation, found in seen)
    for answers in by_alias.values():
        assert all(len(found) == 1 for found in answers)
        order = [next(iter(found)) for found, _ in itertools.groupby(answers)]
        assert order == ["one", "two", "three", "two"]


def until_answers(app: TestClient, generation: str) -> None:
    for _ in range(200):
        if app.get("/v1/generations").json()["answers"] == generation:
            return
        threading.Event().wait(0.1)
    raise AssertionError(f"{generation} does not answer")


def test_old_collections_are_dropped_with_their_generations(client: MilvusClient, tmp_path: Path) -> None:
    address, model = MilvusAddress.parse(f"{ADDRESS}?name=policy&grace=0"), RandomModel(dim=8)
    for count in (30, 31, 32):
        write_generation(tmp_path, model, plain_shop(count), cluster=address, keep=2)
    assert len(generations(tmp_path / "index")) == 2
    assert len(collections(client, "policy")) == 2
    write_generation(tmp_path, model, plain_shop(33), keep=1)
    assert len(SearchEngine.open(tmp_path, model, address)) == 33  # It is on this machine.
    write_generation(tmp_path, model, plain_shop(34), cluster=address, keep=1)
    assert len(collections(client, "policy")) == 1
    with pytest.raises(MismatchError, match="is in Milvus; add --engine"):
        SearchEngine.open(tmp_path, model)


def test_what_fails_its_checks_is_not_published_and_leaves_nothing(
    client: MilvusClient, tmp_path: Path
) -> None:
    address, model = MilvusAddress.parse(f"{ADDRESS}?name=checked"), RandomModel(dim=32)
    first = write_generation(tmp_path, model, plain_shop(12_000), cluster=address)
    before = collections(client, "checked")
    blind = IndexConfig(kind="ivf", lists=200, probes=1)
    with pytest.raises(DataError, match="recall of text vectors at 50 is 0"):
        write_generation(tmp_path, model, plain_shop(12_001), blind, cluster=address)
    assert current(tmp_path / "index") == first
    assert collections(client, "checked") == before
    assert set(client.list_aliases(*before)["aliases"]) == {"checked"}
    assert len(SearchEngine.open(tmp_path, model, address).search("1", 5)) == 5


DIES = """
import os, signal, sys
from pathlib import Path
from cluster.load import RandomModel, plain_shop
from smar.retrieval.engines.milvus import filling
from smar.retrieval.engines.milvus.address import MilvusAddress
from smar.retrieval.publishing import write_generation

insert = filling._insert
def insert_and_die(*given):
    insert(*given)
    os.kill(os.getpid(), signal.SIGKILL)
filling._insert = insert_and_die
write_generation(Path(sys.argv[1]), RandomModel(dim=8), plain_shop(50), cluster=MilvusAddress.parse(sys.argv[2]))
"""


def test_what_a_killed_writer_left_in_the_cluster_is_dropped_by_the_next(
    client: MilvusClient, tmp_path: Path
) -> None:
    text = f"{ADDRESS}?name=killed"
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path)}
    arguments = [sys.executable, "-c", DIES, str(tmp_path), text]
    died = subprocess.run(arguments, env=environment, capture_output=True, timeout=120, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    left = collections(client, "killed")
    assert len(left) == 1
    assert generations(tmp_path / "index") == []
    write_generation(tmp_path, RandomModel(dim=8), plain_shop(50), cluster=MilvusAddress.parse(text))
    assert len(collections(client, "killed") - left) == 1
    assert not collections(client, "killed") & left


def test_missing_rows_lower_the_coverage(client: MilvusClient, tmp_path: Path) -> None:
    address, model = MilvusAddress.parse(f"{ADDRESS}?name=missing&seconds=1"), RandomModel(dim=32)
    write_generation(tmp_path, model, plain_shop(2_000), cluster=address)
    engine = SearchEngine.open(tmp_path, model, address)
    assert engine.search("1", 10).coverage == 1
    (collection,) = collections(client, "missing")
    for partition in ("without_image", "text", "multimodal"):
        client.delete(collection, filter="key >= -1000 and key % 2 == 0", partition_name=partition)
        client.delete(collection, filter="key >= -1000 and key % 4 == 3", partition_name=partition)
    for _ in range(100):
        found = engine.search("1", 10)
        if found.coverage < 1:
            break
    assert found.coverage < 0.8
