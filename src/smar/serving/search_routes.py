"""Routes that search: by words, by photo, several at once, and suggestions. Knows no search itself."""

from __future__ import annotations

import functools
from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.responses import Response

from smar.serving.errors import ERRORS
from smar.serving.link import link_parameters, read_link
from smar.serving.replies import BatchReply, ErrorReply, EventReply, PhotoReply, SearchReply, SuggestReply
from smar.serving.requests import LONGEST_QUERY, BatchRequest, Depth, EventIn, SearchRequest
from smar.serving.running import Running
from smar.serving.service import PREFIX

PHOTO = f"{PREFIX}/search/photo"
_BYTES = {"type": "string", "format": "binary"}


def add_search(app: FastAPI, running: Running) -> None:
    """Add them."""
    routes = APIRouter(dependencies=running.may_read)

    async def answer(request: Request, asked: SearchRequest) -> Response:
        def search(left: float) -> bytes:
            reply = running.search(asked, request.state.request_id, left)
            running.count(reply)
            return reply.model_dump_json().encode()

        # Written here, not by FastAPI, which would check each of the hits once more.
        return Response(await running.answer(search), media_type="application/json")

    @routes.get(
        f"{PREFIX}/search",
        response_model=SearchReply,
        responses=ERRORS,
        tags=["search"],
        summary="Search, in a link",
        openapi_extra={"parameters": link_parameters()},
    )
    async def search(request: Request) -> Response:
        return await answer(request, read_link(request.query_params.multi_items()))

    @routes.post(
        f"{PREFIX}/search",
        response_model=SearchReply,
        responses=ERRORS,
        tags=["search"],
        summary="Search, with everything",
    )
    async def search_with(request: Request, asked: SearchRequest) -> Response:
        return await answer(request, asked)

    @routes.post(
        f"{PREFIX}/search/batch", responses=ERRORS, tags=["search"], summary="Several searches at once"
    )
    async def batch(request: Request, asked: BatchRequest) -> BatchReply:
        replies = await running.answer(functools.partial(running.batch, asked, request.state.request_id))
        for reply in replies.results:
            running.count(reply)
        return replies

    @routes.post(
        PHOTO,
        responses=ERRORS,
        tags=["search"],
        summary="Items that look like a photo",
        openapi_extra={"requestBody": {"required": True, "content": {"image/*": {"schema": _BYTES}}}},
    )
    async def by_photo(request: Request, k: Depth = 10) -> PhotoReply:
        running.admission.check()  # Before a large body is taken in.
        data = await request.body()
        return await running.answer(lambda _: running.service.by_photo(data, k, request.state.request_id))

    @routes.get(f"{PREFIX}/suggest", responses=ERRORS, tags=["search"], summary="Queries that begin so")
    async def suggest(
        q: Annotated[str, Query(max_length=LONGEST_QUERY, description="What is typed so far.")], k: Depth = 10
    ) -> SuggestReply:
        return running.service.suggest(q, k)

    @routes.post(
        f"{PREFIX}/events",
        responses=ERRORS | {409: {"model": ErrorReply, "description": "No online test runs."}},
        tags=["search"],
        summary="What a user did with what was found",
        dependencies=running.may_write,
    )
    async def event(given: EventIn) -> EventReply:
        return await running.write(lambda: running.happened(given))

    app.include_router(routes)
