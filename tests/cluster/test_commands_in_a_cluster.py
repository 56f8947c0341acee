"""The same commands with `--engine`: index, search, evaluate and serve, as processes."""

from __future__ import annotations

import json
import shutil
import urllib.parse
import urllib.request

import pytest

from cluster.conftest import ADDRESS
from command_line_place import Place
from service_process import running_service

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("milvus")]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    place = Place.make(tmp_path_factory.mktemp("commands"))
    place.succeed("make-shop", "shops/demo", "--items", 400)
    place.succeed("train", "shops/demo", "--config", "configs/demo.toml", "--out", "runs/demo")
    shutil.copytree(place.folder / "runs" / "demo", place.folder / "runs" / "here")
    return place


def test_a_run_is_indexed_searched_judged_and_served_in_a_cluster_as_here(place: Place) -> None:
    engine = f"{ADDRESS}?name=commands"
    place.succeed("index", "shops/demo", "runs/here")
    said = place.succeed("index", "shops/demo", "runs/demo", "--engine", engine)
    assert said.splitlines()[-1].endswith(f"next: smar search runs/demo QUERY --engine '{engine}'")
    query = "striped navy jumper"
    tables = [
        place.succeed("search", run, query, "-k", 5, *given)
        for run, given in (("runs/here", ()), ("runs/demo", ("--engine", engine)))
    ]
    assert tables[0] == tables[1]
    judge = (
        "evaluate",
        "shops/demo",
        "runs/here",
        "runs/demo",
        "--engine",
        engine,
        "--measures",
        "R@50,nDCG@10",
    )
    ours, theirs = (
        line.split()[1:]
        for line in place.succeed(*judge).splitlines()
        if line.split()[:1] in (["here"], ["demo"])
    )
    assert ours == theirs != []
    (place.folder / "serve.toml").write_text(f'engine = "{engine}"\n', encoding="utf-8")
    with running_service(place, "serve.toml") as address:
        asked = urllib.parse.urlencode({"q": query, "k": 5})
        with urllib.request.urlopen(f"{address}/v1/search?{asked}") as reply:
            found = json.load(reply)
    assert found["served"]["coverage"] == 1
    assert all(hit["item"]["title"][:20] in tables[0] for hit in found["hits"])
    assert "is in Milvus; add --engine" in place.fail("search", "runs/demo", query)
    assert "nothing answers there" in place.fail(
        "search", "runs/demo", query, "--engine", "milvus://127.0.0.1:9"
    )
    assert "expected an address such as" in place.fail("search", "runs/demo", query, "--engine", "mysql://x")
