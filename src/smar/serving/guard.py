"""Lets requests in by their keys. Knows roles; nothing of what is asked."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException

from smar.serving.keys import Keys, Role

_bearer = HTTPBearer(
    auto_error=False, description="A key of `smar make-key`, as `Authorization: Bearer KEY`."
)
Guard = Callable[..., Coroutine[Any, Any, None]]


def guard(keys: Keys, role: Role, needed: bool = True) -> Guard:
    """A dependency of routes: lets in who has a key of `role`; a writer may read.

    Without a key it answers 401, with one that may not do this 403. Where none is `needed`, a wrong one is refused all
    the same.
    """

    async def check(
        request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)] = None
    ) -> None:
        if given is None and not needed:
            return
        key = None if given is None else keys.owner(given.credentials)
        if key is None:
            what = "needs a key" if given is None else "does not know this key"
            raise HTTPException(
                401, f"this {what}; send Authorization: Bearer KEY", {"WWW-Authenticate": "Bearer"}
            )
        if role == "write" and key.role != "write":
            raise HTTPException(403, "this key may read only; ask for one that may write")
        request.state.client = key.name

    return check
