from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest

from smar.errors import DataError
from smar.retrieval.generations import current, generations, prune, publish, roll_back


def writes(text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "inner").mkdir()
        (folder / "inner" / "a.txt").write_text(text)
        (folder / "b.txt").write_text(text * 2)

    return write


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return tmp_path / "run" / "index"


def names(index: Path) -> list[str]:
    return [generation.name for generation in generations(index)]


def test_the_newest_published_generation_is_current_and_whole(index: Path) -> None:
    publish(index, writes("one"))
    published = publish(index, writes("two"))
    assert published == current(index)
    assert published.name == "gen-00000002"
    assert (published.path / "inner" / "a.txt").read_text() == "two"
    published.check()


def test_before_anything_is_published_the_command_to_run_is_named(index: Path) -> None:
    with pytest.raises(DataError, match=r"there is no index; run `smar index SHOP .*run` first"):
        current(index)
    for verb in (roll_back, lambda folder: prune(folder, 1)):
        with pytest.raises(DataError, match="there is no index"):
            verb(index)
    assert not index.exists()


def test_a_write_that_fails_leaves_the_old_generation_and_nothing_else(index: Path) -> None:
    publish(index, writes("one"))

    def fails(folder: Path) -> None:
        (folder / "b.txt").write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        publish(index, fails)
    assert current(index).name == "gen-00000001"
    assert sorted(path.name for path in index.iterdir()) == [".lock", "current", "gen-00000001"]


def test_rolling_back_returns_to_the_generation_before(index: Path) -> None:
    publish(index, writes("one"))
    publish(index, writes("two"))
    assert roll_back(index) == current(index)
    assert (current(index).path / "b.txt").read_text() == "oneone"
    with pytest.raises(DataError, match="gen-00000001 is the oldest generation"):
        roll_back(index)


def test_publishing_gives_up_what_was_rolled_back_and_never_reuses_its_number(index: Path) -> None:
    publish(index, writes("one"))
    publish(index, writes("bad"))
    roll_back(index)
    assert publish(index, writes("three")).name == "gen-00000003"
    assert names(index) == ["gen-00000001", "gen-00000003"]


def test_pruning_keeps_the_current_one_those_before_it_and_those_rolled_back(index: Path) -> None:
    for text in "abcde":
        publish(index, writes(text))
    roll_back(index)
    assert [generation.number for generation in prune(index, keep=2)] == [1, 2]
    assert names(index) == ["gen-00000003", "gen-00000004", "gen-00000005"]
    assert prune(index, keep=5) == []
    with pytest.raises(ValueError, match="keep at least 1"):
        prune(index, keep=0)


def test_a_second_writer_is_refused_while_the_first_one_writes(index: Path) -> None:
    publish(index, writes("one"))
    with (index / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for verb in (
            lambda: publish(index, writes("two")),
            lambda: roll_back(index),
            lambda: prune(index, 1),
        ):
            with pytest.raises(DataError, match="another process is writing this index"):
                verb()
    assert publish(index, writes("two")).name == "gen-00000002"


def test_a_file_that_shrank_or_went_missing_is_named(index: Path) -> None:
    generation = publish(index, writes("one"))
    (generation.path / "b.txt").write_text("on")
    with pytest.raises(DataError, match=r"b\.txt: has 2 bytes instead of 6; the index is damaged"):
        generation.check()
    (generation.path / "b.txt").unlink()
    with pytest.raises(DataError, match=r"b\.txt: is missing"):
        generation.check()
    (generation.path / "files.json").unlink()
    with pytest.raises(DataError, match=r"no readable files\.json"):
        generation.check()


def test_a_pointer_to_nothing_is_a_data_error(index: Path) -> None:
    publish(index, writes("one"))
    (index / "current").write_text("gen-00000009\n")
    with pytest.raises(DataError, match="generation 9 is missing"):
        current(index)
    (index / "current").write_text("../elsewhere")
    with pytest.raises(DataError, match=r"names no generation \('\.\./elsewhere'\)"):
        current(index)


def test_what_a_killed_writer_left_is_swept_by_the_next(index: Path) -> None:
    publish(index, writes("one"))
    (index / ".gen-00000002.abc.part").mkdir()
    (index / ".gen-00000001.xyz.old").mkdir()
    (index / ".current.abc.part").write_text("gen-")
    (index / "gen-00000002").mkdir()
    assert publish(index, writes("two")).name == "gen-00000003"
    assert sorted(path.name for path in index.iterdir()) == [
        ".lock",
        "current",
        "gen-00000001",
        "gen-00000003",
    ]
