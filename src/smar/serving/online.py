"""An online test: which arm a user is in, and what happened to users, durably. Knows no search and no statistics."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import queue
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from smar.config import Config
from smar.files import append_bytes
from smar.retrieval.engine import ImageMode
from smar.serving.requests import SearchMode

_log = logging.getLogger("smar.serving")
_STEPS = 2**64


class Arm(Config):
    """One way of searching that users may get."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    """What replies, the log and the report call it."""
    run: Path | None = None
    """The run that is searched; the one that is served, if not given."""
    image: ImageMode = "auto"
    """Which item vectors its searches meet."""
    mode: SearchMode = "semantic"
    """What its searches match."""
    share: float = Field(default=1.0, gt=0)
    """Its part of the users, in proportion to the other arms'."""


class OnlineTest(Config):
    """Arms between which users are dealt out; the first is what the others are compared with."""

    name: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    """What the test is called."""
    salt: str = Field(min_length=1)
    """Deals users out; another salt deals them out anew. It also hides them in the log: keep it to yourself."""
    log: Path
    """The file that happenings are appended to."""
    arm: tuple[Arm, ...] = Field(min_length=2)
    """The arms, one `[[arm]]` each."""

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        if len({arm.name for arm in self.arm}) != len(self.arm):
            raise ValueError("two arms have the same name")
        return self

    def of(self, user: str) -> Arm:
        """The arm of a user, always the same one; users fall into arms by their shares."""
        drawn = int.from_bytes(self._hashed("arm", user)[:8], "big") / _STEPS
        total = sum(arm.share for arm in self.arm)
        edges = accumulate(arm.share / total for arm in self.arm)
        return next((arm for arm, edge in zip(self.arm, edges, strict=True) if drawn < edge), self.arm[-1])

    def alias(self, user: str) -> str:
        """What the log calls a user: the same every time, and no way back without the salt."""
        return self._hashed("alias", user).hex()[:16]

    def _hashed(self, what: str, user: str) -> bytes:
        return hashlib.sha256(f"{self.salt}\x00{what}\x00{user}".encode()).digest()


@dataclass(frozen=True)
class _Line:
    data: bytes
    kept: Future[None]


class EventLog:
    """Appends happenings to a file, many to one write to the disk.

    A line cut off by a crash is finished by the next writer with a line break, and readers skip it.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab", buffering=0)
        if _ends_within_a_line(path):
            self._file.write(b"\n")
        self._waiting: queue.SimpleQueue[_Line | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="keep happenings", daemon=True)
        self._thread.start()

    def append(self, happening: Mapping[str, Any]) -> Future[None]:
        """Note something that happened now; the result is there once it is on disk, or is the error that it is not."""
        data = json.dumps({"time": round(time.time(), 3), **happening}).encode() + b"\n"
        line = _Line(data, Future())
        self._waiting.put(line)
        return line.kept

    def close(self) -> None:
        """Keep what waits, and end."""
        self._waiting.put(None)
        self._thread.join()
        self._file.close()

    def _work(self) -> None:
        is_over = False
        while not is_over:
            lines = [self._waiting.get()]
            while not self._waiting.empty():
                lines.append(self._waiting.get())
            is_over = None in lines
            whole = [line for line in lines if line is not None]
            try:
                append_bytes(self._file, b"".join(line.data for line in whole))
            except OSError as error:
                _log.error("%d happenings could not be kept: %s", len(whole), error.strerror)
                for line in whole:
                    line.kept.set_exception(error)
            else:
                for line in whole:
                    line.kept.set_result(None)


def _ends_within_a_line(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"
