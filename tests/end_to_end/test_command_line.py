"""The real command line in real processes: the whole way from a shop to a comparison, and what it refuses."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from command_line_place import ROOT, Place

pytestmark = pytest.mark.end_to_end


def test_a_made_up_shop_has_no_faults(place: Place) -> None:
    assert "no faults" in place.succeed("check", "shops/demo")


def test_a_run_holds_what_the_page_on_training_says(place: Place) -> None:
    run = place.folder / "runs" / "demo"
    # A service that was started over it keeps thumbnails there.
    assert {path.name for path in run.iterdir()} - {"thumbnails"} == {
        "checkpoint",
        "index",
        "metrics.jsonl",
        "model",
        "queries",
        "run.json",
        "summary.json",
        "tensorboard",
    }
    assert not [path for path in run.rglob("*") if path.suffix in (".pkl", ".pt", ".pth", ".bin", ".part")]


def test_a_search_says_which_vectors_it_used_and_keeps_to_its_filters(place: Place) -> None:
    printed = place.succeed(
        "search",
        "runs/demo",
        "striped navy jumper",
        "-k",
        4,
        "--filter",
        "in_stock=true",
        "--filter",
        "price=..60",
    )
    head, *rows = [line for line in printed.splitlines() if line.strip()]
    assert re.fullmatch(
        r"'striped navy jumper': (text|multimodal) vectors, gate \d\.\d+ \(multimodal from \d\.\d+\)", head
    )
    hits = [row.split() for row in rows if re.match(r"\s+\d+\s", row)]
    assert [hit[0] for hit in hits] == ["1", "2", "3", "4"]
    assert all(float(hit[-2]) <= 60 for hit in hits)


def test_an_image_mode_is_obeyed(place: Place) -> None:
    assert "text vectors" in place.succeed("search", "runs/demo", "dress", "--image", "never")


def test_several_runs_are_judged_side_by_side_and_written_as_json(place: Place) -> None:
    printed = place.succeed(
        "evaluate", "shops/demo", "runs/demo", "--image", "auto", "--image", "never", "--bm25",
        "--measures", "R@50,MRR", "--json", "dev.json",
    )  # fmt: skip
    for word in ("overall", "fashion", "general", "demo:auto", "demo:never", "BM25", "RR"):
        assert word in printed
    runs = json.loads((place.folder / "dev.json").read_text(encoding="utf-8"))["runs"]
    assert list(runs) == ["demo:auto", "demo:never", "BM25"]
    for found in runs.values():
        assert 0 < found["overall"]["R@50"] <= 1
        assert set(found["by"]["department"]) == {"fashion", "general"}


def test_a_run_file_says_the_same_as_the_run_it_came_from(place: Place) -> None:
    place.succeed("evaluate", "shops/demo", "runs/demo", "--run-file", "demo.trec", "--json", "a.json")
    files = ("--queries", "shops/demo/queries.dev.parquet", "--qrels", "shops/demo/qrels.dev.parquet")
    place.succeed("evaluate", "shops/demo", "--trec", "demo.trec", *files, "--json", "b.json")
    a, b = (
        json.loads((place.folder / name).read_text(encoding="utf-8"))["runs"] for name in ("a.json", "b.json")
    )
    assert a["demo"]["overall"] == b["demo.trec"]["overall"]


def test_two_runs_are_compared_overall_and_by_department(place: Place) -> None:
    printed = place.succeed("compare", "shops/demo", "bm25", "runs/demo:always", "--measures", "R@50")
    for word in ("R@50: demo:always against BM25", "95 % interval", "overall", "fashion", "general"):
        assert word in printed


def test_a_shop_of_csv_files_with_counted_clicks_goes_the_whole_way(tmp_path: Path) -> None:
    here = Place.make(tmp_path)
    done = here.python(ROOT / "examples" / "csv_shop.py", "csv")
    assert done.returncode == 0, done.stderr
    assert "no faults" in done.stdout
    go_the_whole_way(here, "csv")


def test_a_shop_of_jsonl_files_with_trec_judgements_goes_the_whole_way(tmp_path: Path) -> None:
    here = Place.make(tmp_path)
    assert here.python(ROOT / "examples" / "csv_shop.py", "shop").returncode == 0
    shop = tmp_path / "shop"
    for name in ("items", "clicks"):
        pl.read_csv(shop / f"{name}.csv").write_ndjson(shop / f"{name}.jsonl")
    queries, qrels = pl.read_csv(shop / "queries.dev.csv"), pl.read_csv(shop / "qrels.dev.csv")
    queries.select("query_id", "query").write_csv(
        shop / "queries.dev.tsv", separator="\t", include_header=False
    )
    lines = [f"{query} 0 {item} {grade}\n" for query, item, grade in qrels.iter_rows()]
    (shop / "qrels.dev.trec").write_text("".join(lines), encoding="utf-8")
    for path in shop.glob("*.csv"):
        path.unlink()
    go_the_whole_way(here, "shop")


def go_the_whole_way(here: Place, shop: str) -> None:
    here.succeed("train", shop, "--config", "configs/demo.toml", "--out", "runs/one")
    here.succeed("index", shop, "runs/one")
    assert "Jumper" in here.succeed("search", "runs/one", "navy jumper", "-k", 20)
    assert "20 judged queries" in here.succeed("evaluate", shop, "runs/one")


def test_the_version_is_the_packages(place: Place) -> None:
    printed = place.succeed("--version")
    assert re.fullmatch(r"smar \d+\.\d+\.\d+\n", printed)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("check nowhere", "nowhere: is no folder"),
        ("make-shop new --items 3", "items = 3"),
        ("make-shop shops/demo", "exists already"),
        ("train nowhere --config configs/demo.toml --out runs/x", "nowhere: is no folder"),
        ("train shops/demo --config configs/none.toml --out runs/x", "configs/none.toml: cannot be read"),
        ("train shops/demo --config configs/demo.toml --out runs/x --set model.dims=3", "model.dims: there is no such"),
        ("train shops/demo --config configs/demo.toml --out runs/demo", "runs/demo: is there already"),
        ("train shops/demo --config configs/demo.toml --out runs/x --resume", "no run to resume"),
        ("index shops/demo runs/x", "runs/x: is no run"),
        ("search runs/demo dress --filter colour=red", "there is no such field"),
        ("search runs/demo dress --filter price", "expected NAME=VALUE"),
        ("search runs/demo dress --image perhaps", "choose auto, always, never, soft"),
        ("search runs/demo dress -k 0", "k = 0"),
        ("search runs/demo  ", "is empty"),
        ("evaluate shops/demo", "nothing to judge"),
        ("evaluate shops/demo runs/demo --split test2", "has no queries.test2"),
        ("evaluate shops/demo runs/demo --queries configs/demo.toml", "one is given without the other"),
        ("evaluate shops/demo bm25 --measures nDCG@ten", "there is no such measure"),
        ("evaluate shops/demo bm25 runs/demo --run-file out.trec", "holds one run"),
        ("evaluate shops/demo --trec configs/demo.toml", "expected `query_id Q0"),
        ("compare shops/demo runs/demo runs/demo", "name two different runs"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_line_and_leaves_nothing(
    place: Place, arguments: str, said: str
) -> None:
    before = files_of(place.folder)
    words = arguments.split(" ")
    if arguments.endswith("  "):
        words = ["search", "runs/demo", " "]
    assert said in place.fail(*words)
    assert files_of(place.folder) == before


def test_a_training_that_cannot_begin_leaves_nothing_that_is_taken_for_a_run(place: Place) -> None:
    train = ("train", "shops/demo", "--config", "configs/demo.toml", "--out", "runs/begun")
    assert "'nowhere': cannot be loaded" in place.fail(*train, "--set", "model.text.name=nowhere")
    assert not (place.folder / "runs/begun").exists()
    assert "runs/begun" in place.fail("index", "shops/demo", "runs/begun")


def files_of(folder: Path) -> dict[str, int]:
    """Every file but those of the cache, with its size."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {
        str(path.relative_to(folder)): path.stat().st_size
        for path in paths
        if path.relative_to(folder).parts[0] != "cache"
    }


def test_a_mistyped_option_is_exit_code_2(place: Place) -> None:
    assert place.smar("train", "shops/demo", "--confg", "x").returncode == 2


def test_a_shop_with_faults_is_exit_code_2_with_every_fault(tmp_path: Path) -> None:
    here = Place.make(tmp_path)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "items.csv").write_text("item_id,title,price\na,Hat,ten\na,,3\n", encoding="utf-8")
    done = here.smar("check", "shop")
    assert done.returncode == 2
    for fault in (
        "row 1 (line 2), price: 'ten' is not a finite number",
        "row 2 (line 3), title",
        "'a' is the id",
    ):
        assert fault in done.stdout
    assert "items.csv, row 1, price" in here.fail(
        "train", "shop", "--config", "configs/demo.toml", "--out", "r"
    )


def test_an_index_of_another_catalogue_is_not_judged(place: Place, tmp_path: Path) -> None:
    other = tmp_path / "other"
    place.succeed("make-shop", other, "--items", 40)
    assert "its index is of another catalogue" in place.fail("evaluate", other, "runs/demo")


def test_a_killed_training_is_not_taken_for_a_run_and_can_be_resumed(place: Place) -> None:
    train = ("train", "shops/demo", "--config", "configs/demo.toml", "--out", "runs/killed")
    process = start(place, *train)
    wait_until((place.folder / "runs" / "killed" / "checkpoint" / "pretraining").exists, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert "its training has not ended" in place.fail("index", "shops/demo", "runs/killed")
    place.succeed(*train, "--resume")
    assert "published" in place.succeed("index", "shops/demo", "runs/killed")


def test_ctrl_c_is_exit_code_130_and_leaves_no_shop(place: Place) -> None:
    process = start(place, "make-shop", "shops/stopped", "--items", 4000)
    wait_until(lambda: any(place.folder.joinpath("shops").glob(".stopped.*")), process)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert not [path.name for path in (place.folder / "shops").iterdir() if "stopped" in path.name]


def start(place: Place, *arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "smar", *map(str, arguments)],
        cwd=place.folder,
        env=place.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_until(happened: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, "the process ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_nothing_is_written_to_the_users_home(place: Place, tmp_path: Path) -> None:
    # Libraries keep ids and logs of use there, to report home.
    done = subprocess.run(
        [sys.executable, "-m", "smar", "search", "runs/demo", "dress"],
        cwd=place.folder,
        env={**place.environment(), "HOME": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.rglob("*")) == []
