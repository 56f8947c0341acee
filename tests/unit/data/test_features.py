from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from smar.data.features import FeatureStore, planned_bytes
from smar.data.features_fill import fill
from smar.data.features_index import KeyTable, key_numbers
from smar.errors import DataError, MismatchError, ModelError
from smar.files import digest

WIDTH = 6


def key(name: object) -> str:
    return digest(str(name))


def states(name: object, rows: int | None = None, width: int = WIDTH) -> np.ndarray:
    rng = np.random.default_rng(int(key(name), 16))
    rows = int(rng.integers(1, 5)) if rows is None else rows
    return rng.standard_normal((rows, width)).astype(np.float16)


def opened(folder: Path) -> FeatureStore:
    return FeatureStore.open(folder / "store", "bert", WIDTH)


def stored(folder: Path, names: Sequence[object]) -> FeatureStore:
    store = opened(folder)
    store.append([key(name) for name in names], [states(name) for name in names])
    return store


def assert_holds(store: FeatureStore, names: Sequence[object]) -> None:
    entries = store.lookup([key(name) for name in names])
    assert (entries >= 0).all()
    for name, found in zip(names, store.read(entries), strict=True):
        np.testing.assert_array_equal(found, states(name))


class Encoder:
    """Gives each name its states, and remembers what it was asked for."""

    def __init__(self, names: Sequence[object], refused: Sequence[object] = ()) -> None:
        self.names = names
        self.refused = set(refused)
        self.asked: list[list[int]] = []

    def __call__(self, positions: list[int]) -> list[np.ndarray | None]:
        self.asked.append(positions)
        names = [self.names[position] for position in positions]
        return [None if name in self.refused else states(name) for name in names]


def test_what_was_appended_is_read_back_after_reopening(tmp_path: Path) -> None:
    assert_holds(stored(tmp_path, range(10)), range(10))
    store = opened(tmp_path)
    assert len(store) == 10
    assert_holds(store, range(10))
    assert store.read([]) == []


def test_entries_keep_their_numbers_in_the_order_of_writing(tmp_path: Path) -> None:
    store = stored(tmp_path, "cab")
    store.append([key("d")], [states("d")])
    assert store.lookup([key(name) for name in "cabdx"]).tolist() == [0, 1, 2, 3, -1]
    assert opened(tmp_path).lookup([key(name) for name in "cabdx"]).tolist() == [0, 1, 2, 3, -1]


def test_a_repeated_key_is_missing_once_and_stored_once(tmp_path: Path) -> None:
    store = stored(tmp_path, "a")
    keys = [key(name) for name in "bacbc"]
    assert store.missing(keys) == [0, 2]
    assert store.append(keys, [states(name) for name in "bacbc"]) == 2
    assert store.missing(keys) == []
    assert store.append(keys, [states("other") for _ in keys]) == 0
    assert len(store) == 3
    assert_holds(store, "abc")


def test_entries_may_have_no_rows_at_all(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append([key("none"), key("one")], [states("none", rows=0), states("one", rows=1)])
    store = opened(tmp_path)
    assert [len(array) for array in store.read([0, 1])] == [0, 1]
    gathered, mask = store.gather([0])
    assert gathered.shape == (1, 0, WIDTH)
    assert mask.shape == (1, 0)


def test_gathering_pads_with_zeros_and_masks_the_padding(tmp_path: Path) -> None:
    store = stored(tmp_path, range(20))
    entries = np.array([7, 0, 19, 7, 3])
    gathered, mask = store.gather(entries)
    longest = max(len(states(int(entry))) for entry in entries)
    assert gathered.shape == (5, longest, WIDTH)
    assert gathered.dtype == np.float16
    assert mask.dtype == bool
    for row, entry in enumerate(entries.tolist()):
        expected = states(entry)
        np.testing.assert_array_equal(gathered[row][mask[row]], expected)
        np.testing.assert_array_equal(gathered[row, len(expected) :], 0)
        assert mask[row].tolist() == [True] * len(expected) + [False] * (longest - len(expected))


def test_a_gathered_batch_is_the_callers_own_and_a_read_one_is_not(tmp_path: Path) -> None:
    store = stored(tmp_path, "ab")
    gathered, _ = store.gather([0, 1])
    gathered[:] = 0
    assert_holds(store, "ab")
    assert not store.read([0])[0].flags.writeable


def test_gathering_nothing_gives_an_empty_batch(tmp_path: Path) -> None:
    gathered, mask = opened(tmp_path).gather([])
    assert gathered.shape == (0, 0, WIDTH)
    assert mask.shape == (0, 0)


@pytest.mark.parametrize("entry", [-1, 3])
def test_an_entry_that_is_not_there_is_refused_and_not_padded(tmp_path: Path, entry: int) -> None:
    store = stored(tmp_path, "abc")
    with pytest.raises(DataError, match=f"no entry {entry} of 3"):
        store.gather([0, entry])
    with pytest.raises(DataError, match=f"no entry {entry} of 3"):
        store.read([entry])


@pytest.mark.parametrize("wrong", ["", "abc", "g" * 16, "0" * 15 + " ", "0" * 17, "é" * 16])
def test_a_key_that_is_no_digest_is_named(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(DataError, match="not 16 hexadecimal digits"):
        opened(tmp_path).lookup([key("a"), wrong, "0" * 16])


def test_two_wrong_keys_that_together_have_the_right_length_are_refused() -> None:
    with pytest.raises(DataError, match="not 16 hexadecimal digits"):
        key_numbers(["0" * 15, "0" * 17])


@pytest.mark.parametrize(("encoder", "width"), [("clip", WIDTH), ("bert", WIDTH + 1)])
def test_a_store_of_another_encoder_or_width_is_refused(tmp_path: Path, encoder: str, width: int) -> None:
    stored(tmp_path, "a")
    with pytest.raises(MismatchError, match="own folder"):
        FeatureStore.open(tmp_path / "store", encoder, width)


def test_a_store_created_over_by_another_encoder_is_noticed_before_writing(tmp_path: Path) -> None:
    store = opened(tmp_path)
    (tmp_path / "store" / "store.json").unlink()
    FeatureStore.open(tmp_path / "store", "clip", WIDTH)
    with pytest.raises(MismatchError, match="clip"):
        store.append([key("a")], [states("a")])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', "\xff"])
def test_a_folder_with_another_header_is_no_store(tmp_path: Path, text: str) -> None:
    stored(tmp_path, "a")
    (tmp_path / "store" / "store.json").write_text(text, encoding="latin-1")
    with pytest.raises(DataError, match=r"store\.json"):
        opened(tmp_path)


def test_states_without_a_header_are_not_overwritten(tmp_path: Path) -> None:
    stored(tmp_path, "a")
    (tmp_path / "store" / "store.json").unlink()
    with pytest.raises(DataError, match=r"no store\.json"):
        opened(tmp_path)


@pytest.mark.parametrize("name", ["states.bin", "keys.bin"])
def test_a_store_that_lost_a_file_says_so(tmp_path: Path, name: str) -> None:
    stored(tmp_path, "a")
    (tmp_path / "store" / name).unlink()
    with pytest.raises(DataError, match=name):
        opened(tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 65505.0, -70000.0])
def test_a_state_that_float16_cannot_hold_is_refused_and_nothing_is_written(
    tmp_path: Path, value: float
) -> None:
    store = opened(tmp_path)
    wrong = np.zeros((2, WIDTH), dtype=np.float32)
    wrong[1, 3] = value
    with pytest.raises(ModelError, match=f"{key('b')} has a state that float16 cannot hold"):
        store.append([key("a"), key("b")], [states("a"), wrong])
    assert len(opened(tmp_path)) == 0


def test_the_largest_float16_is_stored(tmp_path: Path) -> None:
    store = opened(tmp_path)
    store.append([key("a")], [np.full((1, WIDTH), -65504.0)])
    assert store.read([0])[0].tolist() == [[-65504.0] * WIDTH]


@pytest.mark.parametrize("shape", [(WIDTH,), (2, WIDTH + 1), (1, 2, WIDTH)])
def test_states_of_another_shape_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match="shape"):
        opened(tmp_path).append([key("a")], [np.zeros(shape)])


def test_each_key_needs_one_array(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="1 arrays for 2 keys"):
        opened(tmp_path).append([key("a"), key("b")], [states("a")])


def test_the_stated_size_is_the_size_on_disk(tmp_path: Path) -> None:
    store = stored(tmp_path, range(10))
    folder = tmp_path / "store"
    assert store.size_bytes == sum((folder / name).stat().st_size for name in ("states.bin", "keys.bin"))
    rows = sum(len(states(name)) for name in range(10))
    assert planned_bytes(rows, WIDTH) == (folder / "states.bin").stat().st_size
    assert json.loads((folder / "store.json").read_text())["width"] == WIDTH


def test_two_stores_of_one_process_do_not_write_at_once(tmp_path: Path) -> None:
    first, second = stored(tmp_path, "a"), opened(tmp_path)
    with first.writing():
        with pytest.raises(DataError, match="this process is writing"):
            second.append([key("b")], [states("b")])
        assert_holds(second, "a")
    second.append([key("b")], [states("b")])
    first.append([key("c")], [states("c")])
    assert_holds(first, "abc")


def test_a_writer_in_another_process_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = stored(tmp_path, "a")
    program = (
        "import sys, pathlib, numpy as np; from smar.data.features import FeatureStore\n"
        f"store = FeatureStore.open(pathlib.Path(sys.argv[1]), 'bert', {WIDTH})\n"
        "with store.writing():\n    print('holding', flush=True); sys.stdin.read()\n"
        f"    store.append([{key('c')!r}], [np.ones((2, {WIDTH}), np.float16)])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(store.folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == b"holding\n"
        ends = threading.Timer(0.5, child.stdin.close)
        ends.start()
        store.append([key("b")], [states("b")])
        ends.join()
    assert child.returncode == 0
    assert f"waiting for process {child.pid}" in "".join(capsys.readouterr())
    assert_holds(store, "ab")
    assert store.missing([key("c")]) == []


def test_a_reader_is_not_disturbed_by_a_writer_and_sees_the_new_when_opened_again(tmp_path: Path) -> None:
    reader = stored(tmp_path, range(5))
    views = reader.read(range(5))
    opened(tmp_path).append([key(5)], [states(5)])
    assert len(reader) == 5
    for name, view in enumerate(views):
        np.testing.assert_array_equal(view, states(name))
    assert_holds(opened(tmp_path), range(6))


def test_a_disk_that_fills_up_while_writing_loses_only_the_batch(tmp_path: Path) -> None:
    store = stored(tmp_path, range(5))
    many = [states(f"big {number}", rows=50) for number in range(20)]
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (planned_bytes(200, WIDTH), hard))
    try:
        with pytest.raises(DataError, match="cannot be written"):
            store.append([key(f"big {number}") for number in range(20)], many)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert_holds(store, range(5))
    assert len(opened(tmp_path)) == 5
    store.append([key(5)], [states(5)])
    assert_holds(opened(tmp_path), range(6))


def test_a_torn_record_of_old_never_points_at_rows_written_later(tmp_path: Path) -> None:
    # The rows of `b` are lost, their record is not. A writer that stored `c` in their place, and died before
    # writing its record, would leave the record of `b` pointing at the rows of `c`.
    store = opened(tmp_path)
    store.append([key("a")], [states("a", rows=3)])
    store.append([key("b")], [states("b", rows=3)])
    os.truncate(tmp_path / "store" / "states.bin", planned_bytes(3, WIDTH))
    writer = opened(tmp_path)
    assert len(writer) == 1
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    index_bytes = (tmp_path / "store" / "keys.bin").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (index_bytes + planned_bytes(3, WIDTH), hard))
    try:
        with pytest.raises(DataError, match="cannot be written"):
            writer.append([key("c")], [states("c", rows=40)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "store" / "states.bin").stat().st_size >= planned_bytes(6, WIDTH)
    found = opened(tmp_path)
    assert found.lookup([key("a"), key("b"), key("c")]).tolist() == [0, -1, -1]


def test_a_filled_store_holds_every_content_once(tmp_path: Path) -> None:
    names = ["a", "b", "a", "c", "b", "d", "a"]
    encoder = Encoder(names)
    store = opened(tmp_path)
    report = fill(store, [key(name) for name in names], encoder, batch=3, title="titles")
    assert encoder.asked == [[0, 1, 3], [5]]
    assert (report.keys, report.distinct, report.already_stored, report.added) == (7, 4, 0, 4)
    assert report.bytes_written == store.size_bytes
    assert_holds(opened(tmp_path), "abcd")


def test_a_second_fill_asks_only_for_what_is_new(tmp_path: Path) -> None:
    fill(opened(tmp_path), [key(name) for name in "abc"], Encoder("abc"), batch=2, title="titles")
    again = Encoder("abc")
    report = fill(opened(tmp_path), [key(name) for name in "abc"], again, batch=2, title="titles")
    assert again.asked == []
    assert (report.already_stored, report.added, report.bytes_written) == (3, 0, 0)
    new = Encoder("xcab")
    report = fill(opened(tmp_path), [key(name) for name in "xcab"], new, batch=2, title="titles")
    assert new.asked == [[0]]
    assert (report.already_stored, report.added) == (3, 1)


def test_what_the_encoder_gives_nothing_for_is_counted_and_asked_for_again(tmp_path: Path) -> None:
    store, keys = opened(tmp_path), [key(name) for name in "abcde"]
    report = fill(store, keys, Encoder("abcde", refused="abd"), batch=2, title="photos")
    assert report.left_out == (0, 1, 3)
    assert report.added == 2
    assert "3 left out" in str(report)
    again = Encoder("abcde", refused="d")
    assert fill(store, keys, again, batch=2, title="photos").left_out == (3,)
    assert again.asked == [[0, 1], [3]]
    assert_holds(store, "abce")


def test_the_size_to_come_is_stated_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = opened(tmp_path)

    def encode(positions: list[int]) -> list[np.ndarray]:
        if len(store) == 0:
            assert "to compute" not in capsys.readouterr().err
        return [np.ones((10, WIDTH)) for _ in positions]

    fill(store, [key(number) for number in range(100)], encode, batch=10, title="titles")
    said = capsys.readouterr().err
    assert "titles: 100 to compute, about 14.4 kB in" in said
    assert store.size_bytes == 14_400


def test_a_fill_larger_than_the_disk_is_refused_unwritten(tmp_path: Path) -> None:
    store = opened(tmp_path)
    endless = np.broadcast_to(np.float16(0), (10**12, WIDTH))
    with pytest.raises(DataError, match="photos need about"):
        fill(
            store,
            [key("a"), key("b")],
            lambda positions: [endless for _ in positions],
            batch=1,
            title="photos",
        )
    assert (tmp_path / "store" / "states.bin").stat().st_size == 0


def test_an_encoder_that_gives_too_few_arrays_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="1 arrays for 2 inputs"):
        fill(opened(tmp_path), [key("a"), key("b")], lambda _: [states("a")], batch=2, title="titles")


def test_a_fill_that_fails_keeps_the_batches_before(tmp_path: Path) -> None:
    def encode(positions: list[int]) -> list[np.ndarray]:
        if 4 in positions:
            raise RuntimeError("the encoder fell over")
        return [states(position) for position in positions]

    keys = [key(number) for number in range(6)]
    with pytest.raises(RuntimeError, match="fell over"):
        fill(opened(tmp_path), keys, encode, batch=2, title="titles")
    assert_holds(opened(tmp_path), range(4))
    assert opened(tmp_path).missing(keys) == [4, 5]


def test_the_key_table_finds_the_same_before_and_after_sorting() -> None:
    rng = np.random.default_rng(0)
    numbers = rng.integers(0, 2**64, size=20_000, dtype=np.uint64)
    numbers = np.unique(numbers)
    rng.shuffle(numbers)
    table = KeyTable()
    start = 0
    for size in (1, 5000, 10, 300, 6000, 7, len(numbers)):
        table.add(numbers[start : start + size])
        start = min(start + size, len(numbers))
        np.testing.assert_array_equal(table.find(numbers[:start]), np.arange(start))
        assert (table.find(numbers[start:]) == -1).all()
    assert table.find(np.empty(0, dtype=np.uint64)).tolist() == []
