"""`smar abtest report` in a real process."""

from __future__ import annotations

import json
import random

import pytest

from command_line_place import Place
from smar.serving.online import OnlineTest

pytestmark = pytest.mark.end_to_end

TEST = """
name = "t"
salt = "s"
log = "online/log.jsonl"
[[arm]]
name = "text"
image = "never"
[[arm]]
name = "smar"
"""


def test_a_report_says_what_a_test_came_to(place: Place) -> None:
    (place.folder / "online.toml").write_text(TEST, encoding="utf-8")
    test = OnlineTest.load(place.folder / "online.toml")
    assert "cannot be read" in place.fail("abtest", "report", "online.toml")
    (place.folder / "online").mkdir()
    chance = random.Random(0)
    lines = []
    for number in range(600):
        user, arm = test.alias(f"u{number}"), test.of(f"u{number}").name
        note = {"time": 100.0 + number, "user": user, "arm": arm}
        lines.append(
            {
                **note,
                "event": "exposure",
                "hits": 9,
                "left_out": 0,
                "seconds": 0.01,
                "departments": ["fashion"],
            }
        )
        if chance.random() < (0.5 if arm == "smar" else 0.2):
            lines.append({**note, "event": "order", "department": "fashion", "price": 20.0})
    log = place.folder / "online" / "log.jsonl"
    log.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    printed = place.succeed(
        "abtest",
        "report",
        "online.toml",
        "--since",
        "1970-01-01",
        "--json",
        "report.json",
        "--plot",
        "report.png",
    )
    assert "smar against text" in printed
    assert "sample ratio p" in printed
    (found,) = json.loads((place.folder / "report.json").read_text(encoding="utf-8"))
    ucvr = next(effect for effect in found["goals"] if effect["figure"] == "UCVR")
    assert 0.2 < ucvr["low"] < ucvr["difference"] < ucvr["high"] < 0.4
    assert (place.folder / "report.png").read_bytes().startswith(b"\x89PNG")
