"""Changes of items on disk: numbered, durable, cut where a crash left them, and applied to a catalogue."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval_fakes import little_catalog
from smar.errors import DataError, QueryError
from smar.retrieval.journal import FILE, Journal, apply_changes, changed_items, read_changes

CATALOG = little_catalog()


def test_what_was_appended_is_read_in_order(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.append([("a1", {"title": "new"}), ("b1", None)])
    journal.close()
    again = Journal(tmp_path)
    assert [change.number for change in again.append([("c1", None)])] == [3]
    again.close()
    found = read_changes(tmp_path)
    assert [(one.number, one.item_id, one.cells) for one in found] == [
        (1, "a1", {"title": "new"}),
        (2, "b1", None),
        (3, "c1", None),
    ]
    assert [one.number for one in read_changes(tmp_path, after=2)] == [3]
    assert read_changes(tmp_path / "none") == []
    assert found[0].time <= found[2].time


@pytest.mark.parametrize("half", [b"", b'{"number": 2, "item', b"\xff" * 70_000])
def test_a_half_written_line_is_cut_off(tmp_path: Path, half: bytes) -> None:
    journal = Journal(tmp_path)
    journal.append([("a1", None)])
    journal.close()
    with (tmp_path / FILE).open("ab") as file:
        file.write(half)
    assert [one.number for one in read_changes(tmp_path)] == [1]
    again = Journal(tmp_path)
    again.append([("b1", None)])
    again.close()
    assert [one.item_id for one in read_changes(tmp_path)] == ["a1", "b1"]


def test_a_file_of_half_a_line_is_empty(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b'{"num')
    journal = Journal(tmp_path)
    assert journal.append([("a1", None)])[0].number == 1
    journal.close()


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b'{"number": 1}\n')
    with pytest.raises(DataError, match=r"line 1: is no change"):
        read_changes(tmp_path)


def test_one_process_at_a_time(tmp_path: Path) -> None:
    first, second = Journal(tmp_path), Journal(tmp_path)
    first.append([("a1", None)])
    with pytest.raises(DataError, match="another process changes items"):
        second.append([("b1", None)])
    first.close()
    assert second.append([("b1", None)])[0].number == 2
    second.close()


def test_what_append_returned_for_survives_a_kill(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from smar.retrieval.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1]))\n"
        "for number in range(10**6):\n"
        "    journal.append([(f'i{number}', {'title': 'x' * 50})]); print(number, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(40)]
    os.kill(process.pid, signal.SIGKILL)
    told += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    acknowledged = int([line for line in told if line.endswith(b"\n")][-1])
    found = read_changes(tmp_path)
    assert len(found) >= acknowledged + 1
    assert [one.number for one in found] == list(range(1, len(found) + 1))


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    """The limit on a file's size stands for the end of the disk."""
    program = (
        "import resource, signal, sys; from pathlib import Path; from smar.retrieval.journal import Journal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "journal = Journal(Path(sys.argv[1])); journal.append([('a', None)])\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))\n"
        "try:\n    journal.append([('b', {'title': 'x' * 500})]); print('kept')\n"
        "except OSError: print('refused')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))\n"
        "journal.append([('c', None)]); journal.close()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "refused\n"
    assert [(one.number, one.item_id) for one in read_changes(tmp_path)] == [(1, "a"), (2, "c")]


def test_the_last_change_of_an_item_counts(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    changes = journal.append(
        [
            ("a1", {"title": "old"}),
            ("new", {"title": "new shoe", "price": 3}),
            ("a2", None),
            ("a1", {"title": "newest", "brand": "X"}),
            ("gone", {"title": "gone"}),
            ("gone", None),
        ]
    )
    journal.close()
    after = apply_changes(CATALOG, changes)
    assert set(after.item_ids) == set(CATALOG.item_ids) - {"a2"} | {"new"}
    assert after.item_ids == sorted(after.item_ids)
    item = after.item(after.row("a1"))
    assert (item.title, item.brand, item.price) == ("newest", "X", None)
    assert after.item(after.row("new")).price == 3.0
    assert after.table.schema == CATALOG.table.schema
    untouched = [item for item in CATALOG.item_ids if item not in {"a1", "a2"}]
    assert [after.item(after.row(item)) for item in untouched] == [
        CATALOG.item(CATALOG.row(item)) for item in untouched
    ]


@pytest.mark.parametrize(
    ("cells", "error", "said"),
    [
        ({"title": "x", "size": 3}, QueryError, "no attribute 'size'"),
        ({"title": "x", "price": "much"}, QueryError, "wrong type"),
        ({"title": None}, DataError, "title"),
        ({"title": "x", "image": "../secret.png"}, DataError, "leaves the shop's folder"),
    ],
)
def test_an_item_unlike_the_others_is_refused(
    tmp_path: Path, cells: dict[str, object], error: type[Exception], said: str
) -> None:
    journal = Journal(tmp_path)
    changes = journal.append([("a1", cells)])
    journal.close()
    with pytest.raises(error, match=said):
        changed_items(CATALOG, changes)
