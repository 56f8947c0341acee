"""The service as a process: listens, logs one JSON line a request, and ends on a signal. Knows no routes."""

from __future__ import annotations

import gc
import json
import logging
import logging.handlers
import queue
import signal
import socket
import webbrowser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from smar.errors import ConfigError
from smar.progress import in_lines

_log = logging.getLogger("smar.serving")
_GARBAGE = (2_000, 5, 10_000)
"""Python looks for garbage among what is new often, among everything seldom: see `gc.set_threshold`."""
_LINES = 10_000
"""Lines of the log that may wait for being written."""
_EXTRAS = ("request_id", "client", "route", "status", "seconds")


def serve(
    run: Path,
    host: str,
    port: int,
    config: Path | None = None,
    *,
    beside: Sequence[Path] = (),
    open_page: bool = False,
    engine: str | None = None,
) -> None:
    """Serve a run until a signal ends it; requests under way are still answered.

    Args:
        run: its folder, with an index.
        host: the address to listen on.
        port: 0 takes a free one; the log says which.
        config: a TOML file of `ServeConfig`.
        beside: further runs, to compare with, beside those that `config` names.
        open_page: show the search page in a browser, if there is one.
        engine: the cluster that holds the runs' indexes, rather than the one that `config` names.

    Raises:
        ConfigError: packages are missing, a setting is wrong, or the port is taken.
        ModelError, DataError, MismatchError: the run cannot be opened, or has no index.
    """
    try:
        import uvicorn

        from smar.serving.app import create_app
        from smar.serving.config import ServeConfig
    except ModuleNotFoundError as error:
        raise ConfigError(f"smar serve needs {error.name}; run `pip install 'smar[serve]'`") from error
    settings = ServeConfig() if config is None else ServeConfig.load(config)
    settings = settings.model_copy(
        update={"beside": (*settings.beside, *beside), "engine": engine or settings.engine}
    )
    with _logging_as_json(), in_lines(lambda line: _log.info("%s", line)), _listen(host, port) as listening:
        app = create_app(run, settings)
        address = "http://{}:{}".format(*listening.getsockname()[:2])
        _log.info("answers at %s", address)
        listening.listen()
        if open_page:
            webbrowser.open(address)
        # Whole catalogues live as long as the process, and kept items long: to look among them for garbage would hold
        # up searches, for a third of a second at times. Little here is garbage that only such a look finds.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_GARBAGE)
        server = uvicorn.Server(
            uvicorn.Config(app, log_config=None, access_log=False, server_header=False, proxy_headers=False)
        )
        # Once it has ended in good order uvicorn raises the signal again; the log has to be written first.
        signal.signal(signal.SIGTERM, _end)
        server.run(sockets=[listening])


def _end(*_: object) -> None:
    raise SystemExit(0)


class _Lines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= {name: getattr(record, name) for name in _EXTRAS if hasattr(record, name)}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


class _Later(logging.handlers.QueueHandler):
    """Hands records on as they are; another thread writes them, so that no request waits for standard error."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Nothing."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Wait where nobody reads so many lines: none is lost, and they cannot fill the memory."""
        self.queue.put(record)  # type: ignore[attr-defined]


@contextmanager
def _logging_as_json() -> Iterator[None]:
    writing = logging.StreamHandler()
    writing.setFormatter(_Lines())
    records: queue.Queue[logging.LogRecord] = queue.Queue(_LINES)
    writer = logging.handlers.QueueListener(records, writing)
    for name, level in (("smar.serving", logging.INFO), ("uvicorn.error", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [_Later(records)], False
        logger.setLevel(level)
    writer.start()
    try:
        yield
    finally:
        writer.stop()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only where the protocol is named does asyncio send small packets at once: 40 ms less for each answer.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise ConfigError(
            f"--host {host} --port {port}: cannot listen there ({error.strerror}); give another"
        ) from error
    return listening
