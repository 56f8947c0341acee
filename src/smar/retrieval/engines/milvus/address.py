"""Where a Milvus cluster answers and how generations lie in it: `milvus://HOST:PORT?replicas=2`. Knows no items."""

from __future__ import annotations

import logging
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field

from smar.config import Config
from smar.errors import ConfigError, Unavailable
from smar.files import digest

if TYPE_CHECKING:
    from pymilvus import MilvusClient

_PORT = 19530
_TOKEN = "SMAR_MILVUS_TOKEN"  # noqa: S105 - the name of a variable
_NEVER = range(1100, 1200), range(100, 300), range(1400, 1500)
"""Codes of Milvus for what will not succeed by waiting: wrong parameters, names that do not exist, rights."""
_LOADING = 101, 103, 106, 201, 202
"""Of these, those of what is not loaded yet, or is being recovered where a node was lost."""
_REFUSALS = "UNAUTHENTICATED", "PERMISSION_DENIED", "INVALID_ARGUMENT", "UNIMPLEMENTED"
_LONGEST_ALIAS = 200
_PATIENCE = 60.0
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")


class MilvusAddress(Config):
    """A cluster, and how a generation is spread over it.

    Written `milvus://HOST[:PORT][?name=...&shards=...]`, or `milvus+tls://...`. `USER:PASSWORD` or a token comes from
    the environment's `SMAR_MILVUS_TOKEN`, and is written nowhere.
    """

    host: str = Field(min_length=1)
    """A name or an address."""
    port: int = Field(default=_PORT, ge=1, le=65535)
    """Of the proxy."""
    tls: bool = False
    """Whether to encrypt."""
    name: str | None = None
    """The alias that names the current generation's collection; `smar_` and the run's name, if not given."""
    shards: int = Field(default=2, ge=1, le=16)
    """Parts that a collection is written in, each by another node."""
    replicas: int = Field(default=1, ge=1)
    """How often each part is kept in the memory of query nodes."""
    seconds: float = Field(default=3.0, gt=0, allow_inf_nan=False)
    """For a search to be answered in, retries included; a service's own deadline may be sooner."""
    grace: float = Field(default=10.0, ge=0, allow_inf_nan=False)
    """Seconds that services have to open a new generation before old collections are dropped."""
    least_recall: float = Field(default=0.95, ge=0, le=1)
    """Recall at 50 of an exact search that a generation must show before it is published."""

    @classmethod
    def of(cls, text: str | None) -> MilvusAddress | None:
        """As `parse`; None where nothing is given, or nothing between two quotes."""
        return cls.parse(text) if text else None

    @classmethod
    def parse(cls, text: str) -> MilvusAddress:
        """Read an address.

        Raises:
            ConfigError: it has another form, or a setting is unknown or out of range.
        """
        example = "expected an address such as milvus://localhost:19530?replicas=2"
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError as error:
            raise ConfigError(f"--engine {text}: {error}; {example}") from error
        if parts.scheme not in ("milvus", "milvus+tls") or parts.path.strip("/") or not parts.hostname:
            raise ConfigError(f"--engine {text}: {example}")
        if parts.username or parts.password:
            raise ConfigError(f"--engine: give USER:PASSWORD in {_TOKEN}, not where everybody can read it")
        settings = dict(parse_qsl(parts.query, keep_blank_values=True))
        if settings.keys() & {"host", "port", "tls"}:
            raise ConfigError(
                f"--engine {text}: host, port and tls stand before the question mark; {example}"
            )
        if "name" in settings and not _NAME.fullmatch(settings["name"]):
            raise ConfigError(
                f"--engine {text}: a name has letters, digits and underscores, and no digit first"
            )
        found = {
            "host": parts.hostname,
            "port": port or _PORT,
            "tls": parts.scheme == "milvus+tls",
            **settings,
        }
        return cls.check(found, where=f"--engine {text}")

    def __str__(self) -> str:
        return f"{'milvus+tls' if self.tls else 'milvus'}://{self._place}"

    @property
    def _place(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def patient(self) -> MilvusAddress:
        """The same, for calls of which nobody waits for a single one."""
        return self.model_copy(update={"seconds": _PATIENCE})

    def alias(self, run: str) -> str:
        """What to call the alias of a run's current collection."""
        if self.name is not None:
            return self.name
        plain = "".join(char if char.isascii() and char.isalnum() else "_" for char in run)
        # Other letters become the same, and long names are cut: what they were has to tell.
        mark = "" if plain == run and len(run) < _LONGEST_ALIAS else f"_{digest(run)[:8]}"
        return f"smar_{plain[:_LONGEST_ALIAS]}{mark}"

    def connect(self) -> MilvusClient:
        """A client, not yet connected to anything.

        Raises:
            ConfigError: pymilvus is not installed.
            Unavailable: nothing answers there.
        """
        try:
            from pymilvus import MilvusClient
        except ModuleNotFoundError as error:
            raise ConfigError(f"--engine {self} needs pymilvus; run `pip install 'smar[milvus]'`") from error
        # It would log each failed call with its traceback, those that are tried again too.
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)
        uri = f"{'https' if self.tls else 'http'}://{self._place}"
        try:
            return MilvusClient(uri, token=os.environ.get(_TOKEN, ""), timeout=self.seconds)
        except cluster_errors() as error:
            raise Unavailable(f"--engine {self}: nothing answers there ({reason(error)})") from error


def cluster_errors() -> tuple[type[Exception], ...]:
    """What a call to a cluster may raise: Milvus' own errors, and those of a connection that is lost or too slow."""
    from grpc import RpcError
    from pymilvus.exceptions import MilvusException

    return MilvusException, RpcError, TimeoutError


def may_pass(error: Exception) -> bool:
    """Whether a call that failed so may succeed a little later."""
    code = getattr(error, "code", None)
    if callable(code):  # Of a connection.
        return str(code()) not in {f"StatusCode.{name}" for name in _REFUSALS}
    if getattr(error, "retriable", False) or code in _LOADING:
        return True
    if isinstance(error, TimeoutError):
        return True
    return type(error).__name__ == "MilvusException" and not any(code in codes for codes in _NEVER)


def reason(error: Exception) -> str:
    """What is wrong, in a few words."""
    return " ".join(str(error).split())[:200] or type(error).__name__
