"""`smar abtest report` in a real process."""

from __future__ import annotations

import json
import random

import pytest

from command_line_place import Place
from service_process import running_service
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


def test_simulated_shoppers_use_a_real_service(place: Place) -> None:
    folder = place.folder / "shoppers"
    folder.mkdir()
    key, lines = place.succeed("make-key", "shop", "--write").removeprefix("key: ").split("\n\n", 1)
    (folder / "keys.toml").write_text(lines, encoding="utf-8")
    (folder / "online.toml").write_text(TEST.replace("online/log", "shoppers/log"), encoding="utf-8")
    (folder / "serve.toml").write_text(
        'keys = "shoppers/keys.toml"\nonline = "shoppers/online.toml"\n', encoding="utf-8"
    )
    with running_service(place, "shoppers/serve.toml") as address:
        place.succeed("abtest", "simulate", "shops/demo", address, "--users", 40, "--key", key)
        said = place.fail("abtest", "simulate", "shops/demo", address, "--users", 1, "--key", "wrong")
        assert "answered 401" in said
    printed = place.succeed("abtest", "report", "shoppers/online.toml")
    assert "GMV per user" in printed
    told = [json.loads(line) for line in (folder / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {"exposure", "click"} <= {one["event"] for one in told}
    assert len({one["user"] for one in told}) == 40
    assert "cannot be reached" in place.fail(
        "abtest", "simulate", "shops/demo", "http://127.0.0.1:9", "--users", 1, "--key", key
    )


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
    assert 0.15 < ucvr["low"] < ucvr["difference"] < ucvr["high"] < 0.45
    assert (place.folder / "report.png").read_bytes().startswith(b"\x89PNG")
