"""Immutable generations of an index on disk, and the one small file that says which of them is current.

Knows files and numbers; nothing of what a generation holds.
"""

from __future__ import annotations

import fcntl
import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from smar.errors import DataError
from smar.files import whole_folder, write_text

_POINTER = "current"
_LIST = "files.json"
_LOCK = ".lock"
_NAME = re.compile(r"gen-(\d{8,})")


@dataclass(frozen=True, order=True)
class Generation:
    """One published state of an index: `path` is its folder, which never changes once it is there."""

    number: int
    path: Path

    @property
    def name(self) -> str:
        """The folder's name, such as `gen-00000003`."""
        return self.path.name

    def check(self, without: str | None = None) -> None:
        """Raise `DataError` if a file is missing or has another size than when written, but in a folder `without`."""
        try:
            sizes: dict[str, int] = json.loads((self.path / _LIST).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(f"{self.path}: no readable {_LIST} ({error}); index the shop again") from error
        for name, size in sizes.items():
            if without is not None and name.startswith(f"{without}/"):
                continue
            file = self.path / name
            found = file.stat().st_size if file.is_file() else None
            if found != size:
                state = "is missing" if found is None else f"has {found} bytes instead of {size}"
                raise DataError(f"{file}: {state}; the index is damaged, index the shop again")


def publish(folder: Path, write: Callable[[Path], None]) -> Generation:
    """Let `write` fill a new generation of the index in `folder`, then make it the current one.

    A reader sees the old generation or the new, whole, at every moment, also if this process is killed. What
    a killed publish left behind is deleted first: unfinished folders, and generations newer than the current
    one. The latter may also have been rolled back; publishing gives them up. Numbers are not used twice.

    Raises:
        DataError: another process is publishing into `folder`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _only_writer(folder):
        present = generations(folder)
        pointed = _pointed(folder)
        number = 1 + max([pointed or 0, *(generation.number for generation in present)])
        _sweep(folder, [generation for generation in present if generation.number > (pointed or 0)])
        generation = Generation(number, folder / f"gen-{number:08d}")
        with whole_folder(generation.path) as part:
            write(part)
            sizes = {file.relative_to(part).as_posix(): file.stat().st_size for file in _files(part)}
            (part / _LIST).write_text(json.dumps(sizes, indent=2), encoding="utf-8")
        write_text(folder / _POINTER, f"{generation.name}\n")
    return generation


def current(folder: Path) -> Generation:
    """The generation that readers of the index in `folder` should open.

    Raises:
        DataError: nothing was published yet, or what the pointer names is not there.
    """
    number = _pointed(folder)
    if number is None:
        raise DataError(f"{folder}: there is no index; run `smar index SHOP {folder.parent}` first")
    for generation in generations(folder):
        if generation.number == number:
            return generation
    raise DataError(f"{folder}: generation {number} is missing; run `smar index SHOP {folder.parent}` again")


def generations(folder: Path) -> list[Generation]:
    """Every whole generation in `folder`, oldest first; not all of them need have been current."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match and path.is_dir():
            found.append(Generation(int(match[1]), path))
    return sorted(found)


def previous(folder: Path) -> Generation:
    """The generation before the current one.

    Raises:
        DataError: there is none.
    """
    now = current(folder)
    earlier = [generation for generation in generations(folder) if generation.number < now.number]
    if not earlier:
        raise DataError(f"{folder}: {now.name} is the oldest generation; there is none to roll back to")
    return earlier[-1]


def roll_back(folder: Path) -> Generation:
    """Make the generation before the current one current again; the next `publish` gives up the newer ones.

    Raises:
        DataError: there is no earlier generation.
    """
    with _only_writer(folder):
        earlier = previous(folder)
        earlier.check()
        write_text(folder / _POINTER, f"{earlier.name}\n")
    return earlier


def prune(folder: Path, keep: int) -> list[Generation]:
    """Delete all but the current generation and the `keep - 1` before it; return those, oldest first."""
    if keep < 1:
        raise ValueError(f"keep = {keep}: the current generation always stays, so keep at least 1")
    with _only_writer(folder):
        now = current(folder)
        reachable = [generation for generation in generations(folder) if generation.number <= now.number]
        _sweep(folder, reachable[:-keep])
    return reachable[:-keep]


def _pointed(folder: Path) -> int | None:
    try:
        text = (folder / _POINTER).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{folder / _POINTER}: cannot be read ({error}); index the shop again") from error
    match = _NAME.fullmatch(text)
    if match is None:
        raise DataError(
            f"{folder / _POINTER}: names no generation ({text[:40]!r}); put the name of a gen- folder there"
        )
    return int(match[1])


def _sweep(folder: Path, given_up: list[Generation]) -> None:
    for generation in given_up:
        # Renamed first: a half-deleted folder must not look like a generation.
        doomed = folder / f".{generation.name}.old"
        shutil.rmtree(doomed, ignore_errors=True)
        generation.path.replace(doomed)
    for leftover in [*folder.glob(".*.part"), *folder.glob(".*.old")]:
        if leftover.is_dir():
            shutil.rmtree(leftover)
        else:
            leftover.unlink()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    """Hold the index's lock; the kernel releases it with the process, however that ends."""
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no index; run `smar index SHOP {folder.parent}` first")
    with (folder / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(f"{folder}: another process is writing this index; wait for it to end") from error
        yield
