"""Who may be answered now, who waits, and who has to come again. Knows numbers and threads; nothing of search."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Answer = TypeVar("Answer")


TOO_MANY = "too many requests wait"


class Overloaded(Exception):  # noqa: N818 - a state of the service
    """More requests wait than may, or one waited too long."""


class Admission:
    """Runs at most `workers` calls at once in threads, lets `waiting` more wait, and refuses the rest at once.

    Beyond capacity the requests that are answered are answered in time: the queue cannot grow, and what waited
    beyond its deadline is not begun.
    """

    def __init__(self, workers: int, waiting: int, deadline: float) -> None:
        self.deadline = deadline
        self._most = workers + waiting
        self._present = 0
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="search")

    @property
    def present(self) -> int:
        """Calls that run or wait."""
        return self._present

    @property
    def is_full(self) -> bool:
        """Whether no more may wait."""
        return self._present >= self._most

    def check(self) -> None:
        """Raise `Overloaded` if no more may wait."""
        if self.is_full:
            raise Overloaded(TOO_MANY)

    async def run(self, call: Callable[[float], Answer]) -> Answer:
        """Call `call` with the seconds that are left for it.

        Raises:
            Overloaded: the queue is full, or the call's turn came too late.
        """
        self.check()
        self._present += 1
        arrived = time.perf_counter()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, self._in_time, call, arrived)
        finally:
            self._present -= 1

    def close(self) -> None:
        """End the threads; what is under way is still done."""
        self._pool.shutdown()

    def _in_time(self, call: Callable[[float], Answer], arrived: float) -> Answer:
        left = self.deadline - (time.perf_counter() - arrived)
        if left <= 0:
            raise Overloaded("this request waited too long for its turn")
        return call(left)
