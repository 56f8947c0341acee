"""Searches over HTTP: what the engine finds, with filters, paging, unwanted things, boosts, words and photos."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from model_fakes import small_model
from service_place import Place, ids
from smar.errors import ConfigError
from smar.retrieval.engine import SearchEngine
from smar.retrieval.hybrid import fuse
from smar.retrieval.lexical import BM25
from smar.retrieval.publishing import write_generation
from smar.serving.app import create_app
from smar.serving.config import ServeConfig
from smar.serving.requests import SearchRequest


def search(client: TestClient, **asked: Any) -> dict[str, Any]:
    reply = client.post("/v1/search", json=asked)
    assert reply.status_code == 200, reply.text
    return dict(reply.json())


def refused(client: TestClient, status: int, **asked: Any) -> str:
    reply = client.post("/v1/search", json=asked)
    assert reply.status_code == status, reply.text
    error = reply.json()["error"]
    assert error["request_id"] == reply.headers["x-request-id"]
    return str(error["message"])


@pytest.mark.parametrize("image", ["auto", "always", "never", "soft"])
def test_the_service_finds_what_the_engine_finds(client: TestClient, place: Place, image: Any) -> None:
    reply = search(client, q="Number  SHIRT", k=5, image=image)
    engine = SearchEngine.open(place.run, place.model)
    found = engine.search("number shirt", 5, image=image)
    assert ids(reply) == [hit.item.item_id for hit in found.hits]
    assert [hit["score"] for hit in reply["hits"]] == pytest.approx(
        [hit.score for hit in found.hits], abs=1e-5
    )
    assert [hit["rank"] for hit in reply["hits"]] == [1, 2, 3, 4, 5]
    assert (reply["vectors"], reply["gate"]) == (found.vectors, pytest.approx(found.gate))
    assert reply["understood"] == {"q": "number shirt", "without": [], "typed": "number shirt"}
    served = reply["served"]
    assert (served["model"], served["items"], served["left_out"]) == (
        place.model.fingerprint,
        len(place.shop.catalog),
        [],
    )
    assert {"embed", "search", "items"} <= served["milliseconds"].keys()


def test_a_query_that_is_not_read_to_its_end_is_said(client: TestClient) -> None:
    reply = search(client, q="very " * 60 + "long shirt", k=1)
    assert reply["served"]["left_out"] == ["query: its end, which is more than the model reads"]


def test_a_link_asks_the_same_as_a_body(client: TestClient) -> None:
    link = client.get(
        "/v1/search",
        params={
            "q": "shirt",
            "k": 4,
            "offset": 1,
            "filter": ["department=fashion", "price=3..20"],
            "image": "never",
            "without": "mug",
        },
    ).json()
    filters = {"department": ["fashion"], "price": {"min": 3, "max": 20}}
    body = search(client, q="shirt", k=4, offset=1, filters=filters, image="never", without=["mug"])
    assert link["hits"] == body["hits"]
    assert {hit["item"]["department"] for hit in link["hits"]} == {"fashion"}


def test_filters_pass_what_fits_and_nothing_else(client: TestClient, place: Place) -> None:
    everything = ids(search(client, q="shirt", k=200))
    assert len(everything) == len(place.shop.catalog)
    reply = search(client, q="shirt", k=200, filters={"in_stock": True, "price": {"min": 4, "max": 9}})
    assert {hit["item"]["price"] for hit in reply["hits"]} == {4, 6, 8}
    wanted = {hit["item"]["item_id"] for hit in reply["hits"]}
    assert ids(reply) == [item for item in everything if item in wanted]


def test_pages_are_parts_of_one_list(client: TestClient) -> None:
    for mode in ("semantic", "lexical", "hybrid"):
        whole = search(client, q="shirt in red", k=12, mode=mode)
        pages = [search(client, q="shirt in red", k=4, offset=offset, mode=mode) for offset in (0, 4, 8)]
        assert [hit for page in pages for hit in page["hits"]] == whole["hits"]


@pytest.mark.parametrize("mode", ["semantic", "lexical", "hybrid"])
def test_the_same_search_is_remembered_and_no_other(client: TestClient, mode: str) -> None:
    asked: dict[str, Any] = {"q": f"{mode} blue mug", "mode": mode, "filters": {"price": {"max": 30}}, "k": 4}
    counted = "smar_searches_remembered_total {}.0\n"
    before = next(n for n in range(10_000) if counted.format(n) in client.get("/metrics").text)
    first, again = search(client, **asked), search(client, **asked)
    assert (first["served"]["remembered"], again["served"]["remembered"]) == (False, True)
    assert again["served"]["milliseconds"].keys() == {"items"}
    for part in ("hits", "vectors", "gate", "understood"):
        assert again[part] == first[part]
    assert counted.format(before + 1) in client.get("/metrics").text
    for part in ({"k": 3}, {"k": 3, "offset": 1}):
        page = search(client, **(asked | part))
        assert page["served"]["remembered"]
        assert page["hits"] == first["hits"][part.get("offset", 0) :][:3]
    others: list[dict[str, Any]] = [
        {"without": ["red"]},
        {"filters": {"price": {"max": 29}}},
        {"boost": [{"field": "brand", "value": "Acme"}]},
        {"image": "never"},
        {"q": f"{mode} mug blue"},
        {"explain": True},
    ]
    for other in others:
        assert not search(client, **(asked | other))["served"]["remembered"], other


def test_what_there_was_no_time_for_is_not_remembered(place: Place) -> None:
    with TestClient(create_app(place.run), raise_server_exceptions=False) as client:
        service = client.app.state.running.service  # type: ignore[attr-defined]
        asked = SearchRequest(q="red mug", mode="hybrid")
        short = service.search(asked, "a", 0.0)
        whole = service.search(asked, "b", 60.0)
    assert short.served.left_out == ["lexical: no time"]
    assert (whole.served.left_out, whole.served.remembered) == ([], False)


def test_numbers_without_end_are_refused(client: TestClient) -> None:
    search(client, q="red mug", filters={"price": {"max": 40}})
    body = '{"q": "red mug", "filters": {"price": {"min": 1e999, "max": 40}}}'
    assert client.post("/v1/search", content=body).status_code == 422
    assert client.get("/v1/search", params={"q": "red", "filter": "price=1e999.."}).status_code == 400


def test_words_and_both(client: TestClient, place: Place) -> None:
    lexical = search(client, q="cable 3", k=5, mode="lexical")
    expected = BM25.build(place.shop.catalog).rank(["cable 3"], 5)[0]
    assert ids(lexical) == [item for item, _ in expected]
    assert (lexical["vectors"], lexical["gate"]) == (None, None)
    hybrid = search(client, q="cable 3", k=5, mode="hybrid")
    assert hybrid["vectors"] is not None
    assert {"embed", "words", "fuse"} <= hybrid["served"]["milliseconds"].keys()
    lists = [
        [
            (hit["item"]["item_id"], hit["score"])
            for hit in search(client, q="cable 3", k=200, mode=mode)["hits"]
        ]
        for mode in ("semantic", "lexical")
    ]
    by_both = fuse(*lists, BM25.build(place.shop.catalog).weight("cable 3"))[:5]
    assert ids(hybrid) == [item for item, _ in by_both]
    assert [hit["score"] for hit in hybrid["hits"]] == pytest.approx(
        [score for _, score in by_both], abs=1e-5
    )
    assert "a hybrid search goes 256 hits deep" in refused(
        client, 400, q="x", mode="hybrid", offset=200, k=100
    )


def test_what_is_not_wanted_falls(client: TestClient, place: Place) -> None:
    plain, without = search(client, q="shirt mug", k=32), search(client, q="shirt mug without mug", k=32)
    assert without["understood"] == {"q": "shirt mug", "without": ["mug"], "typed": "shirt mug"}

    def mean_rank(reply: dict[str, Any]) -> float:
        return float(np.mean([rank for rank, item in enumerate(ids(reply)) if item.startswith("mug")]))

    assert mean_rank(without) > mean_rank(plain)
    assert without["gate"] == plain["gate"]
    words = search(client, q="shirt mug", without=["mug"], k=32, mode="lexical")
    assert ids(words)
    assert not any(item.startswith("mug") for item in ids(words))


def test_words_that_nobody_searches_for_do_not_save_what_is_unwanted(client: TestClient) -> None:
    found = search(client, q="shirt mug without a mug", k=32, mode="lexical")
    assert ids(found)
    assert not any(item.startswith("mug") for item in ids(found))
    assert ids(search(client, q="shirt without the", mode="lexical"))


@pytest.mark.parametrize("mode", ["semantic", "lexical"])
def test_boosts_are_exact(client: TestClient, mode: str) -> None:
    plain = search(client, q="shirt number", k=200, mode=mode)["hits"]
    boosts = [
        {"field": "brand", "value": "Acme", "weight": 0.3},
        {"field": "price", "value": {"max": 5}, "weight": -0.5},
    ]
    best = plain[0]["score"]

    def boosted(hit: dict[str, Any]) -> float:
        item = hit["item"]
        return float(hit["score"] + best * (0.3 * (item["brand"] == "Acme") - 0.5 * (item["price"] <= 5)))

    expected = sorted(plain, key=lambda hit: (-round(boosted(hit), 5), hit["item"]["item_id"]))[:7]
    found = search(client, q="shirt number", k=7, boost=boosts, mode=mode)["hits"]
    assert [hit["score"] for hit in found] == pytest.approx([boosted(hit) for hit in expected], abs=1e-4)


def test_reasons_are_those_of_the_text_vectors(client: TestClient, place: Place) -> None:
    found = search(
        client, q="red shirt", k=6, image="always", explain=True, filters={"department": "fashion"}
    )
    plain = search(client, q="red shirt", k=6, image="always", filters={"department": "fashion"})
    assert ids(found) == ids(plain)
    assert all(hit["why"] is None for hit in plain["hits"])
    by_text = search(client, q="red shirt", k=200, image="never", filters={"department": "fashion"})
    ranks = {item: rank for rank, item in enumerate(ids(by_text), start=1)}
    scores = {hit["item"]["item_id"]: hit["score"] for hit in by_text["hits"]}
    for hit in found["hits"]:
        item, why = hit["item"]["item_id"], hit["why"]
        assert why["text"] == pytest.approx(scores[item], abs=1e-5)
        assert why["text"] + why["image_adds"] == pytest.approx(hit["score"], abs=1e-5)
        tied = [ranks[other] for other, score in scores.items() if abs(score - scores[item]) < 1e-5]
        assert min(tied) <= why["rank_by_text"] <= max(tied)
        assert why["only_by_image"] == (why["rank_by_text"] > 6 and why["image_adds"] > 0)
    second = search(client, q="red shirt", k=3, offset=3, image="always", explain=True, mode="hybrid")
    assert all(hit["why"] is not None for hit in second["hits"])
    assert search(client, q="red shirt", mode="lexical", explain=True)["hits"][0]["why"] is None


def test_an_item_is_explained_by_words_and_cells(client: TestClient) -> None:
    found = client.get("/v1/explain/shirt-red-0", params={"q": "Red shirt"}).json()
    hits = search(client, q="red shirt", k=200, image="always")["hits"]
    score = next(hit["score"] for hit in hits if hit["item"]["item_id"] == "shirt-red-0")
    assert found["score"] == pytest.approx(score, abs=2e-3)
    assert found["text"] + found["image"] + found["clicks"] == pytest.approx(found["score"], abs=1e-4)
    assert [word["word"] for word in found["words"]] == ["shirt", "number", "0", ".", "Bolt"]
    assert [len(row) for row in found["cells"]] == [3, 3, 3]
    assert client.get("/v1/explain/cable-3", params={"q": "cable"}).json()["cells"] is None
    assert client.get("/v1/explain/nothing", params={"q": "cable"}).status_code == 404
    assert client.get("/v1/explain/cable-3").status_code == 422


def test_a_batch_is_each_alone(client: TestClient) -> None:
    reply = client.post("/v1/search/batch", json={"queries": ["red shirt", "cable"], "k": 3}).json()
    for q, found in zip(["red shirt", "cable"], reply["results"], strict=True):
        assert found["hits"] == search(client, q=q, k=3)["hits"]


@pytest.mark.parametrize(
    ("status", "asked", "said"),
    [
        (400, {"q": "  "}, "names nothing"),
        (400, {"q": "without stripes", "k": 1, "filters": {"colour": "red"}}, "there is no such field"),
        (400, {"q": "x", "boost": [{"field": "size", "value": 1}]}, "there is no such field"),
        (400, {"q": "x", "filters": {"price": 10**400}}, "cannot be compared"),
        (422, {"q": "x", "filters": {"brand": ["a"] * 201}}, "at most 200"),
        (422, {"q": "x", "filters": {str(number): "a" for number in range(17)}}, "at most 16"),
        (422, {"q": "x", "k": 0}, "greater than or equal to 1"),
        (422, {"q": "x", "k": 201}, "less than or equal to 200"),
        (422, {"q": "x" * 501}, "at most 500"),
        (422, {"q": "x", "image": "often"}, "'auto'"),
        (422, {"q": "x", "limit": 3}, "not permitted"),
        (422, {}, "q: Field required"),
        (
            422,
            {"q": "x", "boost": [{"field": "brand", "value": "a", "weight": 7}]},
            "less than or equal to 1",
        ),
    ],
)
def test_what_cannot_be_asked_is_said(
    client: TestClient, status: int, asked: dict[str, Any], said: str
) -> None:
    assert said in refused(client, status, **asked)


@pytest.mark.parametrize("words", ["price=1.2.3..4", "price=" + "[" * 5000, "price=1e999"])
def test_odd_filters_in_a_link_are_refused_or_find_nothing(client: TestClient, words: str) -> None:
    reply = client.get("/v1/search", params={"q": "x", "filter": words})
    told = reply.status_code, reply.json()["error"]["code"]
    assert told == ((422, "invalid") if "999" in words else (400, "bad_request"))


def test_a_photo_finds_items(client: TestClient, place: Place) -> None:
    photo = place.shop.catalog.image_path(place.shop.catalog.row("shirt-red-0"))
    assert photo is not None
    reply = client.post(
        "/v1/search/photo?k=3", content=photo.read_bytes(), headers={"content-type": "image/png"}
    )
    assert reply.status_code == 200
    assert len(ids(reply.json())) == 3
    broken = client.post("/v1/search/photo", content=photo.read_bytes()[:200])
    assert (broken.status_code, broken.json()["error"]["code"]) == (400, "bad_request")
    assert "send a JPEG" in broken.json()["error"]["message"]
    assert client.post("/v1/search/photo", content=b"GIF").status_code == 400


def test_suggestions_begin_as_typed(client: TestClient, place: Place) -> None:
    found = client.get("/v1/suggest", params={"q": "Red", "k": 2}).json()["suggestions"]
    assert found
    assert all(query.startswith("red") for query in found)
    assert client.get("/v1/suggest", params={"q": ""}).json() == {"suggestions": []}
    # Asked twice in all: not enough to be shown to others.
    assert client.get("/v1/suggest", params={"q": "shirt in"}).json() == {"suggestions": []}


def test_runs_beside_the_first_answer_by_name(place: Place, tmp_path: Path) -> None:
    other = small_model(cache=tmp_path / "cache", seed=1)
    other.save(tmp_path / "other" / "model")
    write_generation(tmp_path / "other", other, place.shop.catalog)
    config = ServeConfig(beside=(tmp_path / "other",))
    with TestClient(create_app(place.run, config), raise_server_exceptions=False) as client:
        assert client.get("/v1/runs").json() == {"runs": ["run", "other"]}
        first, named, beside = (
            client.get("/v1/search", params={"q": "red shirt"} | run).json()
            for run in ({}, {"run": "run"}, {"run": "other"})
        )
        assert first["hits"] == named["hits"] != beside["hits"]
        assert first["served"]["model"] == place.model.fingerprint
        assert beside["served"]["model"] == other.fingerprint
        batch = client.post("/v1/search/batch", json={"queries": ["red shirt"], "run": "other"}).json()
        assert batch["results"][0]["hits"] == beside["hits"]
        unknown = client.get("/v1/search", params={"q": "red", "run": "third"})
        assert unknown.status_code == 404
        assert "there is no run 'third' here; there are run, other" in unknown.json()["error"]["message"]


def test_runs_of_one_name_cannot_stand_side_by_side(place: Place, tmp_path: Path) -> None:
    shutil.copytree(place.run, tmp_path / place.run.name)
    with pytest.raises(ConfigError, match="need folders of different names"):
        create_app(place.run, ServeConfig(beside=(tmp_path / place.run.name,)))


def test_a_link_with_a_parameter_that_is_not_known_is_refused(client: TestClient) -> None:
    reply = client.get("/v1/search", params={"q": "red", "filters": "brand=Acme"})
    assert reply.status_code == 422
    assert "filters" in reply.json()["error"]["message"]


def test_a_slip_is_read_as_a_word_of_the_shop_and_the_reply_says_so(client: TestClient) -> None:
    slip = search(client, q="Red shrit without mugg", k=5)
    assert slip["understood"] == {"q": "red shirt", "without": ["mug"], "typed": "red shrit"}
    assert slip["hits"] == search(client, q="red shirt without mug", k=5)["hits"]
    typed = client.get("/v1/search", params={"q": "red shrit", "k": 5, "as_typed": True}).json()
    assert typed["understood"] == {"q": "red shrit", "without": [], "typed": "red shrit"}
    assert typed["hits"] != slip["hits"]
    assert ids(search(client, q="shrit", k=5, mode="lexical")) == ids(
        search(client, q="shirt", k=5, mode="lexical")
    )
    why = [client.get(f"/v1/explain/shirt-red-0?q={q}").json()["score"] for q in ("red shrit", "red shirt")]
    assert why[0] == why[1]
