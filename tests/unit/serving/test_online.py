"""Arms: users stay in theirs and fall into them by share; happenings are kept, also over a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smar.errors import ConfigError
from smar.serving.online import EventLog, OnlineTest

ARMS = [{"name": "text", "image": "never", "share": 1}, {"name": "smar", "share": 3}]


def online_test(salt: str = "a", **changes: object) -> OnlineTest:
    return OnlineTest.check({"name": "t", "salt": salt, "log": "x", "arm": ARMS, **changes}, where="test")


@given(st.text(min_size=1))
def test_a_user_stays_in_one_arm_whatever_the_order_of_asking(user: str) -> None:
    assert online_test().of(user) == online_test().of(user)
    assert online_test().alias(user) == online_test().alias(user) != online_test("b").alias(user)


def test_users_fall_into_arms_by_their_shares_and_another_salt_deals_anew() -> None:
    users = [f"u{number}" for number in range(20_000)]
    first = [online_test().of(user).name for user in users]
    assert Counter(first)["text"] / len(users) == pytest.approx(0.25, abs=0.012)
    second = [online_test("b").of(user).name for user in users]
    both = sum(one == other == "text" for one, other in zip(first, second, strict=True))
    assert both / len(users) == pytest.approx(0.25**2, abs=0.008)  # as if dealt without regard to the first
    assert len({online_test().alias(user) for user in users}) == len(users)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"arm": [ARMS[0], ARMS[0]]}, "two arms have the same name"),
        ({"arm": ARMS[:1]}, "at least 2"),
        ({"arm": [ARMS[0], {"name": "x", "share": 0}]}, "greater than 0"),
        ({"salt": ""}, "at least 1"),
    ],
)
def test_what_is_no_test_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        online_test(**changes)


def test_a_line_cut_off_by_a_crash_spoils_no_other(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'{"event": "exposure"}\n{"event": "cli')
    log = EventLog(path)
    log.append({"event": "order"}).result(10)
    log.close()
    lines = path.read_bytes().splitlines()
    assert [json.loads(lines[place])["event"] for place in (0, 2)] == ["exposure", "order"]


def test_a_full_disk_is_told_and_does_not_end_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = EventLog(tmp_path / "log")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("smar.serving.online.append_bytes", full)
        with pytest.raises(OSError, match="No space left"):
            log.append({"event": "lost"}).result(10)
    log.append({"event": "kept"}).result(10)
    log.close()
    assert [json.loads(line)["event"] for line in (tmp_path / "log").read_bytes().splitlines()] == ["kept"]


def test_what_was_kept_survives_a_kill(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from smar.serving.online import EventLog\n"
        "log = EventLog(Path(sys.argv[1]))\n"
        "for number in range(10**6):\n"
        "    log.append({'number': number}).result(); print(number, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "log")], stdout=subprocess.PIPE)
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(40)]
    os.kill(process.pid, signal.SIGKILL)
    told += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    kept = [json.loads(line)["number"] for line in (tmp_path / "log").read_bytes().splitlines()]
    assert kept[: int(told[-1]) + 1] == list(range(int(told[-1]) + 1))
