"""A link is read as FastAPI would read it, and documented as what it is."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

import pytest
from fastapi import FastAPI, Query
from fastapi.exceptions import RequestValidationError
from fastapi.testclient import TestClient

from smar.serving.link import SearchLink, link_parameters, read_link

LINKS: list[list[tuple[str, str]]] = [
    [("q", "red shirt")],
    [("q", "red"), ("k", "7"), ("offset", "3"), ("image", "soft"), ("mode", "hybrid"), ("as_typed", "true")],
    [("q", "red"), ("filter", "brand=Acme"), ("filter", "price=1..9"), ("without", "blue"), ("explain", "1")],
    [("q", "red"), ("q", "blue")],
    [],
    [("q", "")],
    [("q", "red"), ("k", "0")],
    [("q", "red"), ("k", "many")],
    [("q", "red"), ("colour", "blue")],
    [("q", "red"), ("image", "perhaps"), ("k", "1000")],
    [("q", "red"), ("without", "")],
]


def by_fastapi(pairs: list[tuple[str, str]]) -> Any:
    app = FastAPI()

    @app.get("/")
    def read(link: Annotated[SearchLink, Query()]) -> dict[str, Any]:
        return link.asked().model_dump()

    reply = TestClient(app).get(f"/?{urlencode(pairs)}")
    return (
        reply.json()
        if reply.status_code == 200
        else {tuple(fault["loc"]) for fault in reply.json()["detail"]}
    )


@pytest.mark.parametrize("pairs", LINKS, ids=urlencode)
def test_it_is_read_as_fastapi_would(pairs: list[tuple[str, str]]) -> None:
    try:
        read: Any = read_link(pairs).model_dump()
    except RequestValidationError as error:
        read = {fault["loc"] for fault in error.errors()}
    assert read == by_fastapi(pairs)


def test_its_parameters_are_documented_as_fastapi_would() -> None:
    app = FastAPI()

    @app.get("/")
    def read(link: Annotated[SearchLink, Query()]) -> None:
        return None

    theirs = app.openapi()["paths"]["/"]["get"]["parameters"]
    assert link_parameters() == theirs
