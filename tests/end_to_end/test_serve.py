"""`smar serve` as a process: the documented commands work, it logs without queries, and it ends on a signal."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from command_line_place import ROOT, Place
from service_process import running_service

pytestmark = pytest.mark.end_to_end


@dataclass(frozen=True)
class Server:
    """A process that answers at `address`; its log goes to `log`."""

    address: str
    log: Path
    key: str


@pytest.fixture(scope="module")
def server(place: Place) -> Iterator[Server]:
    key, lines = place.succeed("make-key", "shop", "--write").removeprefix("key: ").split("\n\n", 1)
    (place.folder / "keys.toml").write_text(lines, encoding="utf-8")
    (place.folder / "serve.toml").write_text('keys = "keys.toml"\n', encoding="utf-8")
    with running_service(place, "serve.toml") as address:
        yield Server(address, place.folder / "serve.log", key)


def test_every_documented_command_works(server: Server, place: Place) -> None:
    text = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8").replace("\\\n", " ")
    commands = [line for line in text.splitlines() if line.startswith("curl ")]
    assert len(commands) >= 13
    found = json.loads(
        urllib.request.urlopen(f"{server.address}/v1/search?q=dress&filter=department=fashion").read()
    )
    item = found["hits"][0]["item"]["item_id"]
    for command in commands:
        words = shlex.split(
            command.replace("http://localhost:8000", server.address)
            .replace("ITEM", item)
            .replace("KEY", server.key)
        )
        done = subprocess.run(
            [*words, "--fail-with-body"], cwd=place.folder, capture_output=True, check=False
        )
        assert done.returncode == 0, (command, done.stdout)
        if "-o" not in words:
            assert "error" not in json.loads(done.stdout)
    assert (place.folder / "photo.jpg").read_bytes().startswith(b"\xff\xd8")


def test_the_log_is_json_without_queries(server: Server) -> None:
    urllib.request.urlopen(f"{server.address}/v1/search?q=unmistakable").close()
    lines = [
        json.loads(line)
        for line in server.log.read_text(encoding="utf-8").splitlines()
        if line.startswith("{")
    ]
    assert any(line.get("route") == "/v1/search" and line["status"] == 200 for line in lines)
    assert "unmistakable" not in server.log.read_text(encoding="utf-8")


def test_on_a_signal_all_requests_get_into_the_log(place: Place, server: Server) -> None:
    with running_service(place, "serve.toml", "ended.log") as address:
        for number in range(30):
            urllib.request.urlopen(f"{address}/v1/search?q=dress+{number}").close()
    lines = [
        json.loads(line) for line in (place.folder / "ended.log").read_text(encoding="utf-8").splitlines()
    ]
    assert sum(line.get("route") == "/v1/search" for line in lines) == 30


def test_a_published_index_takes_over(server: Server, place: Place) -> None:
    def generation() -> str:
        reply = json.loads(urllib.request.urlopen(f"{server.address}/v1/search?q=dress").read())
        return str(reply["served"]["generation"])

    before = generation()
    place.succeed("index", "shops/demo", "runs/demo")
    until = time.monotonic() + 20
    while generation() == before:
        assert time.monotonic() < until
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs/none"], "holds no model"),
        (["runs/demo", "--host", "203.0.113.1"], "cannot listen there"),
        (["runs/demo", "--config", "configs/demo.toml"], "there is no such field"),
    ],
)
def test_what_cannot_be_served_is_said_at_once(place: Place, arguments: list[str], said: str) -> None:
    assert re.search(said, place.fail("serve", *arguments))
