"""An online test over HTTP: arms answer as they are set, and exposures, clicks and orders are noted without names."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from model_fakes import small_model
from service_place import Place, ids
from smar.serving.app import create_app
from smar.serving.config import ServeConfig
from smar.serving.keys import new_key
from smar.serving.online import OnlineTest

KEY, LINES = new_key("shop", "write")
HEADERS = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture
def config(place: Place, tmp_path: Path) -> ServeConfig:
    other = small_model(seed=3, cache=place.model.cache)
    other.save(tmp_path / "other" / "model")
    Place(tmp_path / "other", place.shop, other).publish()
    (tmp_path / "online.toml").write_text(
        f'name = "t"\nsalt = "s"\nlog = "{tmp_path / "events.jsonl"}"\n'
        '[[arm]]\nname = "text"\nimage = "never"\n'
        f'[[arm]]\nname = "other"\nrun = "{tmp_path / "other"}"\nimage = "always"\nmode = "hybrid"\n',
        encoding="utf-8",
    )
    (tmp_path / "keys.toml").write_text(LINES, encoding="utf-8")
    return ServeConfig(online=tmp_path / "online.toml", keys=tmp_path / "keys.toml")


def noted(config: ServeConfig) -> list[dict[str, Any]]:
    assert config.online is not None
    path = OnlineTest.load(config.online).log
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def user_of(config: ServeConfig, arm: str) -> str:
    assert config.online is not None
    test = OnlineTest.load(config.online)
    return next(user for user in map(str, range(100)) if test.of(user).name == arm)


def test_each_arm_searches_as_it_is_set(place: Place, config: ServeConfig) -> None:
    with TestClient(create_app(place.run, config), raise_server_exceptions=False) as client:
        plain = client.post("/v1/search", json={"q": "red shirt", "image": "soft"}).json()
        assert (plain["vectors"], plain["served"]["arm"]) == ("soft", None)
        text = client.post(
            "/v1/search", json={"q": "red shirt", "user": user_of(config, "text"), "image": "soft"}
        ).json()
        assert (text["vectors"], text["mode"], text["served"]["arm"]) == ("text", "semantic", "text")
        asked = {"q": "red shirt", "user": user_of(config, "other")}
        other = client.get("/v1/search", params=asked).json()
        assert (other["vectors"], other["mode"], other["served"]["arm"]) == ("multimodal", "hybrid", "other")
        assert other["served"]["model"] != text["served"]["model"] == plain["served"]["model"]


def test_a_user_of_the_test_cannot_choose_the_run(place: Place, config: ServeConfig) -> None:
    with TestClient(create_app(place.run, config), raise_server_exceptions=False) as client:
        reply = client.get("/v1/search", params={"q": "red", "user": "1", "run": "run"})
        assert reply.status_code == 400
        assert "the arm of a user decides which run answers" in reply.json()["error"]["message"]


def test_what_happens_is_noted_without_names_or_queries(place: Place, config: ServeConfig) -> None:
    user = user_of(config, "other")
    with TestClient(create_app(place.run, config), raise_server_exceptions=False) as client:
        reply = client.post("/v1/search", json={"q": "red shirt", "user": user}).json()
        item = ids(reply)[0]
        event = {"user": user, "item_id": item, "request_id": reply["served"]["request_id"]}
        assert client.post("/v1/events", json={**event, "event": "click"}, headers=HEADERS).json() == {
            "arm": "other"
        }
        # When the reply has come, the event is on disk.
        assert [one["event"] for one in noted(config)] == ["exposure", "click"]
        client.post("/v1/events", json={**event, "event": "order"}, headers=HEADERS)
        client.post("/v1/events", json={**event, "event": "order", "price": 5}, headers=HEADERS)
        assert client.post("/v1/events", json={**event, "event": "order"}).status_code == 401
        assert client.post("/v1/events", json={**event, "event": "view"}, headers=HEADERS).status_code == 422
        gone = client.post("/v1/events", json={**event, "event": "click", "item_id": "none"}, headers=HEADERS)
        assert gone.status_code == 404
    found = noted(config)
    assert [one["event"] for one in found] == ["exposure", "click", "order", "order"]
    assert {one["arm"] for one in found} == {"other"}
    assert len({one["user"] for one in found}) == 1
    assert found[0]["user"] != user
    assert "red shirt" not in json.dumps(found)
    assert {one["request_id"] for one in found} == {reply["served"]["request_id"]}
    price = next(hit["item"]["price"] for hit in reply["hits"] if hit["item"]["item_id"] == item)
    assert [one["price"] for one in found[1:]] == [None, price, 5.0]
    assert (found[0]["hits"], found[0]["left_out"]) == (10, 0)
    assert found[0]["time"] == pytest.approx(time.time(), abs=60)


def test_changes_reach_the_runs_of_all_arms(place: Place, config: ServeConfig) -> None:
    users = [user_of(config, arm) for arm in ("text", "other")]
    with TestClient(create_app(_own_run(place, config), config), raise_server_exceptions=False) as client:
        item = {"title": "velvet sofa", "price": 3}
        assert client.put("/v1/items/sofa", json=item, headers=HEADERS).status_code == 200
        refused = client.put(
            "/v1/items/lamp", json={"title": "x", "attributes": {"size": 1}}, headers=HEADERS
        )
        assert refused.status_code == 400
        for user in users:
            found = client.post("/v1/search", json={"q": "velvet sofa", "k": 100, "user": user}).json()
            assert "sofa" in ids(found)
            assert found["served"]["changes"] == 1
        client.delete("/v1/items/sofa", headers=HEADERS)
        for user in users:
            assert "sofa" not in ids(
                client.post("/v1/search", json={"q": "velvet sofa", "k": 100, "user": user}).json()
            )


def test_an_arm_may_name_the_served_run_itself(place: Place, config: ServeConfig) -> None:
    assert config.online is not None
    run = _own_run(place, config)
    named = run.parent / "x" / ".." / "run"
    (run.parent / "x").mkdir()
    told = config.online.read_text(encoding="utf-8").replace(
        'name = "text"', f'name = "text"\nrun = "{named}"'
    )
    config.online.write_text(told, encoding="utf-8")
    with TestClient(create_app(run, config), raise_server_exceptions=False) as client:
        assert client.put("/v1/items/sofa", json={"title": "velvet sofa"}, headers=HEADERS).status_code == 200
        found = client.post(
            "/v1/search", json={"q": "sofa", "k": 100, "user": user_of(config, "text")}
        ).json()
        assert "sofa" in ids(found)
        assert found["served"]["arm"] == "text"


def _own_run(place: Place, config: ServeConfig) -> Path:
    assert config.online is not None
    run = config.online.parent / "run"
    shutil.copytree(place.run / "model", run / "model")
    Place(run, place.shop, place.model).publish()
    return run


def test_without_a_test_users_are_no_different_and_events_have_no_place(client: TestClient) -> None:
    reply = client.post("/v1/search", json={"q": "red shirt", "user": "u"})
    assert reply.json()["served"]["arm"] is None


def test_events_without_a_test_are_refused(place: Place, tmp_path: Path) -> None:
    (tmp_path / "keys.toml").write_text(LINES, encoding="utf-8")
    config = ServeConfig(keys=tmp_path / "keys.toml")
    with TestClient(create_app(place.run, config), raise_server_exceptions=False) as client:
        event = {"user": "u", "item_id": "mug-red-0", "event": "click"}
        assert client.post("/v1/events", json=event, headers=HEADERS).status_code == 409
    shutil.rmtree(tmp_path)
