"""Items, photos and the state of the service over HTTP, and a new generation while it answers."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import logging
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from urllib.parse import quote

import polars as pl
import pytest
from PIL import Image
from starlette.testclient import TestClient

from model_fakes import small_model
from service_place import Place, ids
from smar.data.catalog import Catalog
from smar.errors import MismatchError, Unavailable
from smar.model.compiling import compile_queries
from smar.retrieval.engine import SearchEngine
from smar.retrieval.generations import current, roll_back
from smar.retrieval.publishing import write_generation
from smar.serving.admission import Admission, Overloaded
from smar.serving.app import create_app
from smar.serving.config import ServeConfig
from smar.serving.generation import SteadyModel
from smar.serving.metrics import Metrics
from smar.serving.middleware import Message, Receive, Scope, Send
from smar.serving.shedding import Shedding


def test_an_item_is_told_without_where_it_lies(client: TestClient, place: Place) -> None:
    reply = client.get("/v1/items/mug-blue-1")
    item = reply.json()["item"]
    assert (item["title"], item["image"]) == ("mug number 1", "/v1/images/mug-blue-1")
    assert str(place.shop.folder) not in reply.text
    assert "images/mug-blue-1.png" not in reply.text
    assert client.get("/v1/items/cable-3").json()["item"]["image"] is None
    missing = client.get("/v1/items/nothing")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")


def test_a_photo_is_shrunk_once_and_not_sent_twice(client: TestClient, place: Place) -> None:
    reply = client.get("/v1/images/shirt-red-0", params={"width": 20})
    assert reply.headers["content-type"] == "image/jpeg"
    picture = Image.open(io.BytesIO(reply.content))
    assert picture.size == (30, 40)  # never enlarged; 20 is rounded up to a width that is kept
    kept = list((place.run / "thumbnails").rglob("*.jpg"))
    assert len(kept) == 1
    made = kept[0].stat().st_mtime_ns
    assert client.get("/v1/images/shirt-red-0", params={"width": 64}).content == reply.content
    assert kept[0].stat().st_mtime_ns == made
    same = client.get(
        "/v1/images/shirt-red-0", params={"width": 20}, headers={"if-none-match": reply.headers["etag"]}
    )
    assert (same.status_code, same.content) == (304, b"")
    for path in ("cable-3", "nothing", quote("../run/model/model.json", safe=""), "%2e%2e/%2e%2e/etc/passwd"):
        assert client.get(f"/v1/images/{path}").status_code == 404
    assert client.get("/v1/images/shirt-red-0", params={"width": 5000}).status_code == 422


def test_similar_items_leave_out_the_item(client: TestClient) -> None:
    reply = client.get("/v1/similar/shirt-red-0", params={"k": 31}).json()
    assert len(ids(reply)) == 31
    assert "shirt-red-0" not in ids(reply)
    assert reply["vectors"] == "multimodal"
    assert client.get("/v1/similar/cable-3").json()["vectors"] == "text"
    assert client.get("/v1/similar/nothing").status_code == 404


def test_state_and_counts(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json() == {"status": "ok"}
    before = client.get("/metrics").text
    client.get("/v1/search", params={"q": "red"})
    client.get("/v1/items/nothing")
    after = client.get("/metrics").text
    assert 'smar_requests_total{route="/v1/search",status="200"}' in after
    assert 'route="/v1/items/{item_id:path}",status="404"' in after
    assert after != before
    assert 'smar_step_seconds_bucket{le="0.002",step="embed"}' in after


def test_every_reply_has_an_id_and_headers_and_no_log_line_has_the_query(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "smar.serving"):
        reply = client.get("/v1/search", params={"q": "secretword"}, headers={"x-request-id": "mine-1"})
    assert reply.headers["x-request-id"] == reply.json()["served"]["request_id"] == "mine-1"
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in reply.headers
    assert (
        client.get("/health", headers={"x-request-id": "not a word"}).headers["x-request-id"] != "not a word"
    )
    (record,) = [record for record in caplog.records if getattr(record, "request_id", "") == "mine-1"]
    assert "secretword" not in json.dumps({key: str(value) for key, value in vars(record).items()})


def test_a_fault_is_told_without_its_words(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    service = client.app.state.running.service  # type: ignore[attr-defined]
    search = service.search

    def broken(*_: object) -> None:
        raise RuntimeError("/secret/path")

    service.search = broken
    try:
        reply = client.get("/v1/search", params={"q": "x"}, headers={"x-request-id": "mine-2"})
    finally:
        service.search = search
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "fault")
    assert "secret" not in reply.text
    assert reply.headers["x-request-id"] == "mine-2"
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert "/secret/path" in caplog.text


def test_a_new_generation_takes_over_without_a_failed_request(place: Place) -> None:
    first = current(place.run / "index").name
    statuses: set[int] = set()
    generations: list[str] = []
    with TestClient(create_app(place.run), raise_server_exceptions=False) as client:
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                reply = client.get("/v1/search", params={"q": "red shirt"})
                statuses.add(reply.status_code)
                if reply.status_code == 200:
                    generations.append(reply.json()["served"]["generation"])

        asking = threading.Thread(target=ask)
        asking.start()
        fewer = Catalog(place.shop.catalog.table.filter(pl.col("department") == "fashion"), place.shop.folder)
        second = place.publish(fewer)
        _wait_for(client, second)
        assert client.get("/v1/items/cable-3").status_code == 404
        roll_back(place.run / "index")
        _wait_for(client, first)
        stop.set()
        asking.join()
    assert statuses == {200}
    assert [name for name, _ in itertools.groupby(generations)] == [first, second, first]


def test_a_generation_of_another_model_is_refused_and_the_old_one_answers(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    first = current(place.run / "index").name
    with TestClient(create_app(place.run), raise_server_exceptions=False) as client:
        write_generation(place.run, small_model(seed=7, cache=place.model.cache), place.shop.catalog)
        until = time.monotonic() + 20
        while "index the shop again with this model" not in caplog.text:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert client.get("/v1/search", params={"q": "red"}).json()["served"]["generation"] == first
        assert roll_back(place.run / "index").name == first


def test_a_generation_whose_machines_are_away_for_a_moment_is_opened_later(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    away, opening = [True], SearchEngine.open_generation

    def open_generation(*given: object) -> SearchEngine:
        if away[0]:
            raise Unavailable("the cluster does not answer")
        return opening(*given)  # type: ignore[arg-type]

    with TestClient(create_app(place.run), raise_server_exceptions=False) as client:
        monkeypatch.setattr(SearchEngine, "open_generation", open_generation)
        before = client.get("/v1/generations").json()["answers"]
        name = place.publish()
        until = time.monotonic() + 20
        while "the cluster does not answer" not in caplog.text:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert client.get("/v1/generations").json()["answers"] == before
        away[0] = False
        _wait_for(client, name)
    roll_back(place.run / "index")


def test_what_is_out_of_reach_is_503_and_words_are_searched_without_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TestClient(create_app(place.run), raise_server_exceptions=False) as client:

        def nearest(*given: object, **named: object) -> None:
            raise Unavailable("the cluster does not answer")

        monkeypatch.setattr(SearchEngine, "nearest", nearest)
        refused = client.get("/v1/search", params={"q": "never asked before"})
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        found = client.get("/v1/search", params={"q": "red shirt", "mode": "hybrid"}).json()
        assert found["hits"]
        assert found["served"]["left_out"] == ["semantic: the index cannot be reached"]
        assert found["served"]["coverage"] == 0


def test_beyond_capacity_clients_are_told_to_come_again(place: Place) -> None:
    app = create_app(place.run, ServeConfig(workers=1, waiting=1, deadline=60))
    with TestClient(app, raise_server_exceptions=False) as client:
        service, released = app.state.running.service, threading.Event()
        search = service.search

        def slow(*asked: object) -> object:
            released.wait(30)
            return search(*asked)

        service.search = slow
        with ThreadPoolExecutor(6) as pool:
            asked = [pool.submit(client.get, "/v1/search", params={"q": "red"}) for _ in range(6)]
            # One is answered and one waits, until the other four have been turned away.
            refused = [done.result() for _, done in zip(range(4), as_completed(asked), strict=False)]
            assert client.get("/ready").status_code == 503
            assert client.get("/health").status_code == 200
            released.set()
            answered = [one.result() for one in asked if one.result() not in refused]
        assert [reply.status_code for reply in refused] == [503] * 4
        assert [reply.status_code for reply in answered] == [200] * 2
        assert refused[0].headers["retry-after"] == "1"
        assert refused[0].json()["error"]["code"] == "overloaded"
        assert client.get("/v1/search", params={"q": "red"}).status_code == 200
        assert "smar_refused_total 5.0" in client.get("/metrics").text


def test_a_service_with_a_compiled_query_tower_answers_as_without(place: Place, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(place.run, run)
    compile_queries(place.model, run / "queries")
    asked = {"q": "red shirt", "k": 3}
    with TestClient(create_app(place.run), raise_server_exceptions=False) as client:
        plain = client.get("/v1/search", params=asked).json()
    with TestClient(create_app(run), raise_server_exceptions=False) as client:
        compiled = client.get("/v1/search", params=asked).json()
        item = ids(compiled)[0]
        suggestions = client.app.state.running.generation.opened.suggestions  # type: ignore[attr-defined]
        frequent = {"red shirt", *suggestions.most_clicked(1_000)}
        assert len(frequent) > 5
        until = time.monotonic() + 60
        while f"smar_queries_kept {float(len(frequent))}" not in client.get("/metrics").text:
            assert time.monotonic() < until
            time.sleep(0.1)
        assert client.get(f"/v1/explain/{item}", params={"q": "red shirt"}).status_code == 200
    assert ids(compiled) == ids(plain)
    assert compiled["gate"] == pytest.approx(plain["gate"], abs=0.01)
    assert compiled["served"]["model"] == plain["served"]["model"]


def test_a_query_tower_of_another_model_is_noticed(place: Place, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(place.run, run)
    compile_queries(place.model, run / "queries")
    small_model(seed=1).save(run / "model")
    with pytest.raises(MismatchError, match="the compiled query tower is of"):
        SteadyModel(run).whole()


def test_a_flood_is_told_of_in_one_line_a_second(caplog: pytest.LogCaptureFixture) -> None:
    admission, metrics = Admission(workers=1, waiting=0, deadline=1), Metrics()
    passed: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        passed.append(scope["path"])

    shedding = Shedding(app, admission, metrics, "/v1/search", retry_after=7)

    def ask(path: str, request_id: str = "a") -> list[Message]:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            raise AssertionError("nothing is read of a request that is turned away")

        scope = {"type": "http", "path": path, "headers": [(b"x-request-id", request_id.encode())]}
        asyncio.run(shedding(scope, receive, send))
        return sent

    ask("/v1/search")
    admission._present = 1
    ask("/v1/items/x")
    assert passed == ["/v1/search", "/v1/items/x"]
    with caplog.at_level(logging.WARNING, "smar.serving"):
        replies = [ask("/v1/search/batch", str(number)) for number in range(50)]
        shedding._said -= 1
        ask("/v1/search", "last")
    assert len(passed) == 2
    head, body = replies[3]
    assert head["status"] == 503
    assert {(b"retry-after", b"7"), (b"x-request-id", b"3")} <= set(head["headers"])
    assert json.loads(body["body"])["error"]["request_id"] == "3"
    assert [record.getMessage() for record in caplog.records] == [
        "1 searches were told to come again",
        "50 searches were told to come again",
    ]
    assert b"smar_refused_total 51.0" in metrics.text()
    admission.close()


def test_what_waited_too_long_is_not_begun() -> None:
    admission = Admission(workers=1, waiting=9, deadline=0.05)
    begun: list[str] = []

    async def both() -> list[object]:
        first = asyncio.create_task(admission.run(lambda _: time.sleep(0.2) or begun.append("first")))
        second = asyncio.create_task(admission.run(lambda _: begun.append("second")))
        return list(await asyncio.gather(first, second, return_exceptions=True))

    _, late = asyncio.run(both())
    admission.close()
    assert isinstance(late, Overloaded)
    assert begun == ["first"]
    assert admission.present == 0


def test_a_body_that_is_too_large_is_refused(place: Place) -> None:
    with TestClient(
        create_app(place.run, ServeConfig(max_body=2000)), raise_server_exceptions=False
    ) as client:
        reply = client.post("/v1/search", json={"q": "x", "without": ["y" * 400] * 8})
        assert (reply.status_code, reply.json()["error"]["code"]) == (413, "too_large")


def test_without_time_a_hybrid_search_says_what_is_missing(place: Place) -> None:
    with TestClient(
        create_app(place.run, ServeConfig(deadline=0.0001)), raise_server_exceptions=False
    ) as client:
        service = client.app.state.running.admission  # type: ignore[attr-defined]
        service._in_time = lambda call, arrived: call(0.0)
        reply = client.get("/v1/search", params={"q": "cable 3", "mode": "hybrid"}).json()
    assert reply["served"]["left_out"] == ["lexical: no time"]
    assert reply["hits"]


def _wait_for(client: TestClient, generation: str) -> None:
    until = time.monotonic() + 20
    while client.get("/v1/search", params={"q": "red"}).json()["served"]["generation"] != generation:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_a_run_without_an_index_is_refused(tmp_path: Path, place: Place) -> None:
    from smar.errors import DataError

    place.model.save(tmp_path / "run" / "model")
    with pytest.raises(DataError, match="there is no index"):
        create_app(tmp_path / "run")
