"""Routes that search: by words, by photo, several at once, and suggestions. Knows no search itself."""

from __future__ import annotations

import functools
from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Request

from smar.retrieval.engine import ImageMode
from smar.retrieval.filters import parse_filters
from smar.serving.errors import ERRORS
from smar.serving.running import Running
from smar.serving.service import PREFIX
from smar.serving.wire import (
    LONGEST_QUERY,
    BatchReply,
    BatchRequest,
    Depth,
    ErrorReply,
    EventIn,
    EventReply,
    Offset,
    PhotoReply,
    SearchMode,
    SearchReply,
    SearchRequest,
    SuggestReply,
    User,
    Words,
)

PHOTO = f"{PREFIX}/search/photo"
_BYTES = {"type": "string", "format": "binary"}


def add_search(app: FastAPI, running: Running) -> None:
    """Add them."""
    routes = APIRouter(dependencies=running.may_read)

    async def answer(request: Request, asked: SearchRequest) -> SearchReply:
        reply = await running.answer(lambda left: running.search(asked, request.state.request_id, left))
        running.count(reply)
        return reply

    @routes.get(f"{PREFIX}/search", responses=ERRORS, tags=["search"], summary="Search, in a link")
    async def search(
        request: Request,
        q: Annotated[Words, Query(description="What the shopper typed.")],
        k: Depth = 10,
        offset: Offset = 0,
        filter: Annotated[  # noqa: A002 - the name that clients write
            list[str],
            Query(max_length=16, description="brand=Acme, in_stock=true or price=10..40; repeatable."),
        ] = [],  # noqa: B006 (FastAPI copies it)
        image: ImageMode = "auto",
        mode: SearchMode = "semantic",
        without: Annotated[
            list[Words], Query(max_length=8, description="What is not wanted; repeatable.")
        ] = [],  # noqa: B006
        explain: Annotated[bool, Query(description="Also say what the image adds to each hit.")] = False,
        user: Annotated[User | None, Query(description="Who searches, for an online test.")] = None,
    ) -> SearchReply:
        asked = SearchRequest.model_validate(
            {
                "q": q,
                "k": k,
                "offset": offset,
                "filters": parse_filters(filter),
                "image": image,
                "mode": mode,
                "without": without,
                "explain": explain,
                "user": user,
            }
        )
        return await answer(request, asked)

    @routes.post(f"{PREFIX}/search", responses=ERRORS, tags=["search"], summary="Search, with everything")
    async def search_with(request: Request, asked: SearchRequest) -> SearchReply:
        return await answer(request, asked)

    @routes.post(
        f"{PREFIX}/search/batch", responses=ERRORS, tags=["search"], summary="Several searches at once"
    )
    async def batch(request: Request, asked: BatchRequest) -> BatchReply:
        replies = await running.answer(
            functools.partial(running.service.batch, asked, request.state.request_id)
        )
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
