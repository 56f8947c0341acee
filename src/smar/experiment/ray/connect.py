"""Connects to a Ray cluster, quietly, and says in one line what went wrong there. Knows no job."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout

from smar.errors import ConfigError, SmarError, Unavailable

_ANSWERS_WITHIN = 5.0


def check_cluster(address: str) -> None:
    """See that Ray is installed here and that something like it answers at `address`: Ray itself takes minutes.

    Raises:
        ConfigError: Ray is not installed, `address` is not HOST:PORT, or no cluster answers there.
    """
    try:
        import grpc
        import ray.data  # noqa: F401
    except ImportError as error:
        raise ConfigError(f"--ray {address}: needs Ray ({error}); pip install 'smar[ray]'") from error
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise ConfigError(
            f"--ray {address}: is not HOST:PORT, the address of the cluster's head, such as 127.0.0.1:6379"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWERS_WITHIN).close()
        with grpc.insecure_channel(address) as channel:
            grpc.channel_ready_future(channel).result(_ANSWERS_WITHIN)
    except (OSError, OverflowError, grpc.FutureTimeoutError) as error:
        why = "what is there is no Ray" if isinstance(error, grpc.FutureTimeoutError) else error
        raise ConfigError(
            f"--ray {address}: no cluster answers ({why}); start one with `ray start --head` (docs/ray.md)"
        ) from error


@contextmanager
def connected(address: str) -> Iterator[int]:
    """Within the block this process is a driver of the cluster at `address`; yields the CPUs that it has.

    What workers print is not shown; that one of them was lost, Ray says on standard error. A process that is
    connected already stays so.

    Raises:
        ConfigError: as `check_cluster`; or the cluster has another version of Ray or Python, or a node lacks
            a package.
        Unavailable: the cluster was lost, or no piece of work was done for half an hour.
        SmarError: what the job itself raised on a node, as if it had been raised here.
    """
    check_cluster(address)
    # Ray tells of itself through a warning unless this is decided.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray
    from ray.data.exceptions import ExecutionTimeoutError
    from ray.exceptions import RayError, RayTaskError

    try:
        # Ray says on standard output, where results go, which process and node it lost.
        with redirect_stdout(sys.stderr), _joined(address):
            yield max(1, int(ray.cluster_resources().get("CPU", 1)))
    except RayTaskError as error:
        ours = _of_a_task(error.cause, address)
        if ours is None:
            raise
        raise ours from error
    except (RayError, ExecutionTimeoutError) as error:
        raise _of_the_cluster(error, address) from error


@contextmanager
def _joined(address: str) -> Iterator[None]:
    """Within the block Ray works here; where it does already, nothing is begun and nothing ended."""
    import ray

    if ray.is_initialized():
        yield
        return
    try:
        _join(address)
        yield
    finally:
        ray.shutdown()


def _join(address: str) -> None:
    import ray
    from ray.data import DataContext

    try:
        ray.init(address=address, logging_level=logging.CRITICAL, log_to_driver=False)
    except (OSError, RuntimeError, ValueError, TimeoutError) as error:
        raise ConfigError(f"--ray {address}: cannot be joined ({_words(error)})") from error
    for name in ("ray", "ray.data"):
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, logging.StreamHandler):
                handler.setLevel(logging.CRITICAL)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.raise_original_map_exception = True


def _of_a_task(cause: BaseException, address: str) -> SmarError | None:
    """What stopped a task, where it is nothing of our own doing: its own error, a package, the cluster."""
    from ray.exceptions import RayError

    if isinstance(cause, SmarError):
        return cause
    if isinstance(cause, ImportError):
        return ConfigError(
            f"--ray {address}: a node lacks what this machine has ({cause}); install the same smar everywhere"
        )
    return _of_the_cluster(cause, address) if isinstance(cause, RayError) else None


def _of_the_cluster(error: BaseException, address: str) -> SmarError:
    return Unavailable(f"--ray {address}: {_words(error)}; see to its nodes (`ray status`), and repeat")


def _words(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
