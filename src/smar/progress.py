"""Progress bars on standard error, for what takes longer than two seconds. Knows nothing of what progresses."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Step = TypeVar("Step")

console = Console(stderr=True)
_is_told = ContextVar("_is_told", default=False)
"""Whether a bar is shown that tells of everything that happens now."""


def say(text: str) -> None:
    """Print a line on standard error, as it is: no markup, no colours, not broken."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)


class ProgressBar:
    """One bar: `advance` moves it, `note` sets the words at its right."""

    def __init__(self, progress: Progress, task: int) -> None:
        self._progress = progress
        self._task = task

    def advance(self, steps: int = 1) -> None:
        """Move the bar by `steps`."""
        self._progress.advance(self._task, steps)  # type: ignore[arg-type]

    def note(self, text: str) -> None:
        """Show `text` at the right of the bar."""
        self._progress.update(self._task, note=text)  # type: ignore[arg-type]


@contextmanager
def progress_bar(title: str, total: int | None, done: int = 0) -> Iterator[ProgressBar]:
    """Show a bar named `title` while the block runs; `done` of `total` steps are over.

    Nothing is shown of no steps, or where `one_bar` tells of it.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    is_hidden = total == 0 or _is_told.get() or isinstance(console.file, _Lines)
    with Progress(*columns, console=console, disable=is_hidden) as progress:
        yield ProgressBar(progress, progress.add_task(title, total=total, completed=done, note=""))


@contextmanager
def one_bar(title: str, total: int | None) -> Iterator[ProgressBar]:
    """Show a bar named `title` while the block runs, and none of those that this thread would show within it."""
    with progress_bar(title, total) as bar:
        before = _is_told.set(True)
        try:
            yield bar
        finally:
            _is_told.reset(before)


def track(steps: Iterable[Step], title: str, total: int | None = None) -> Iterator[Step]:
    """Iterate over `steps` with a bar named `title`."""
    if total is None and isinstance(steps, Sized):
        total = len(steps)
    with progress_bar(title, total) as bar:
        for step in steps:
            yield step
            bar.advance()


@contextmanager
def in_lines(say: Callable[[str], None]) -> Iterator[None]:
    """While the block runs no bar is shown, and each line that would be printed is given to `say`: for a log."""
    console.file = _Lines(say)  # type: ignore[assignment]
    try:
        yield
    finally:
        console.file = None  # type: ignore[assignment] # standard error again


class _Lines(io.TextIOBase):
    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._begun = ""

    def write(self, text: str) -> int:
        *whole, self._begun = (self._begun + text).split("\n")
        for line in whole:
            if line.strip():
                self._say(line.strip())
        return len(text)
