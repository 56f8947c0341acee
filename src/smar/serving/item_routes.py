"""Routes of items: an item, its photo, others like it, why it was found, and how it is changed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, FastAPI, Path, Query, Request, Response
from fastapi.responses import FileResponse

from smar.serving.errors import ERRORS
from smar.serving.replies import ChangeReply, ExplainReply, ItemReply, SimilarReply
from smar.serving.requests import Depth, ItemIn, ItemsIn, Words
from smar.serving.running import Running
from smar.serving.service import PREFIX


def add_items(app: FastAPI, running: Running) -> None:
    """Add them."""
    routes = APIRouter(dependencies=running.may_read)

    @routes.get(
        f"{PREFIX}/similar/{{item_id:path}}", responses=ERRORS, tags=["items"], summary="Items like this one"
    )
    async def similar(request: Request, item_id: str, k: Depth = 10) -> SimilarReply:
        return await running.answer(lambda _: running.service.similar(item_id, k, request.state.request_id))

    @routes.get(
        f"{PREFIX}/explain/{{item_id:path}}",
        responses=ERRORS,
        tags=["items"],
        summary="Why an item scores as it does for a query",
    )
    async def explain(
        request: Request, item_id: str, q: Annotated[Words, Query(description="What the shopper typed.")]
    ) -> ExplainReply:
        return await running.answer(lambda _: running.service.explain(item_id, q, request.state.request_id))

    @routes.get(f"{PREFIX}/items/{{item_id:path}}", responses=ERRORS, tags=["items"], summary="An item")
    async def item(request: Request, item_id: str) -> ItemReply:
        return running.service.item(item_id, request.state.request_id)

    @routes.get(
        f"{PREFIX}/images/{{item_id:path}}",
        responses={**ERRORS, 200: {"content": {"image/jpeg": {}}}, 304: {"description": "Not changed."}},
        response_class=FileResponse,
        tags=["items"],
        summary="An item's photo",
    )
    async def image(
        request: Request,
        item_id: str,
        width: Annotated[int, Query(ge=1, le=1024, description="In pixels.")] = 256,
    ) -> Response:
        reach = "private" if running.config.reads_need_key else "public"
        made = await running.answer(lambda _: running.service.photo(item_id, width))
        headers = {"ETag": f'"{made.tag}"', "Cache-Control": f"{reach}, max-age=3600"}
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return FileResponse(made.path, media_type="image/jpeg", headers=headers)

    app.include_router(routes)
    _add_writing(app, running)


def _add_writing(app: FastAPI, running: Running) -> None:
    routes = APIRouter(dependencies=running.may_write)

    @routes.put(
        f"{PREFIX}/items/{{item_id:path}}", responses=ERRORS, tags=["items"], summary="Put an item in"
    )
    async def put(item_id: Annotated[str, Path(min_length=1, max_length=500)], item: ItemIn) -> ChangeReply:
        return await running.write(lambda: running.change({item_id: item}))

    @routes.delete(
        f"{PREFIX}/items/{{item_id:path}}", responses=ERRORS, tags=["items"], summary="Take an item out"
    )
    async def delete(item_id: str) -> ChangeReply:
        return await running.write(lambda: running.change({item_id: None}))

    @routes.post(
        f"{PREFIX}/items", responses=ERRORS, tags=["items"], summary="Put many items in, and take many out"
    )
    async def change(changed: ItemsIn) -> ChangeReply:
        return await running.write(lambda: running.change(changed.items))

    app.include_router(routes)
