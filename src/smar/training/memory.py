"""Gives memory that was freed back to the system. Knows the C library's allocator and nothing of what was freed."""

from __future__ import annotations

import ctypes
import platform
from functools import cache


def release_freed_memory() -> None:
    """Return free pages of the heap to the system; does nothing where the C library is not glibc.

    Batches of texts of many lengths leave the heap full of holes: without this, training grew by gigabytes an hour.
    """
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    return ctypes.CDLL("libc.so.6") if platform.libc_ver()[0] == "glibc" else None
