"""`smar reproduce` in a real process: it measures, stops, goes on and keeps what it measured."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from command_line_place import Place

pytestmark = pytest.mark.end_to_end

ROWS = ["--only", "DPSR (text only)", "--only", "BM25", "--only", "text encoder as it is", "--seeds", 2]


def test_the_table_is_made_once_and_grows_by_what_is_asked(place: Place) -> None:
    settings = ["--out", "results/demo", "--config", "configs/demo.toml"]
    printed = place.succeed("reproduce", "shops/demo", *settings, *ROWS)
    assert "SMAR, the better of both" not in printed
    out = place.folder / "results" / "demo"
    found = json.loads((out / "table.json").read_text(encoding="utf-8"))
    rows = {row["name"]: row for row in found["rows"]}
    assert list(rows) == ["BM25", "text encoder as it is", "DPSR (text only)", "SMAR", "a perfect ranking"]
    assert [row["seeds"] for row in rows.values()] == [1, 1, 2, 2, 1]
    perfect = rows["a perfect ranking"]["groups"]["Overall"]
    assert perfect["mean"]["nDCG@10"] == pytest.approx(1)
    assert not perfect["below"]
    overall = rows["SMAR"]["groups"]["Overall"]
    low, high = overall["interval"]["R@50"]
    assert low <= overall["mean"]["R@50"] <= high
    assert len(overall["by_seed"]["R@50"]) == 2
    first_seed = next(path for path in (out / "runs").iterdir() if _is_smar(path / "run.json", seed=0))
    place.succeed("index", "shops/demo", first_seed)
    place.succeed("evaluate", "shops/demo", first_seed, "--json", "smar.json")
    (judged,) = json.loads((place.folder / "smar.json").read_text(encoding="utf-8"))["runs"].values()
    # But for the query tower, which is compiled there. Slips of shoppers' fingers are corrected in both.
    assert overall["by_seed"]["R@50"][0] == pytest.approx(judged["overall"]["R@50"], abs=0.003)

    runs = {path.name: path.stat().st_mtime_ns for path in (out / "runs").iterdir()}
    assert len(runs) == 5

    page = (out / "report.html").read_text(encoding="utf-8")
    assert "paper .690" in page
    assert page.count('<img src="data:image/png') == 2
    # It works offline: nothing is fetched.
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert {path.name for path in (out / "plots").iterdir()} == {
        f"{name}.{suffix}" for name in ("recall_by_depth", "training_curves") for suffix in ("png", "svg")
    }

    # What a row's command gives is what the table shows.
    place.succeed(*rows["BM25"]["command"].split()[1:], "--json", "bm25.json")
    judged = json.loads((place.folder / "bm25.json").read_text(encoding="utf-8"))["runs"]["BM25"]["overall"]
    assert rows["BM25"]["groups"]["Overall"]["mean"]["nDCG@10"] == pytest.approx(judged["nDCG@10"])

    # Values that were lost are measured again, from the models that are there; other rows are added.
    kept = sorted((out / "values").iterdir())
    kept[0].unlink()
    printed = place.succeed("reproduce", "shops/demo", *settings, *ROWS, "--only", "gate")
    assert "SMAR, never the image" in printed
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Words that the gate follows" in page
    assert page.count('<img src="data:image/png') == 6
    assert page.count('<div class="shelf">') % 2 == 0
    now = {path.name: path.stat().st_mtime_ns for path in (out / "runs").iterdir()}
    assert {name: now[name] for name in runs} == runs
    assert len(now) == len(runs) + 1  # the gate per category is another model
    # ... whose stage one is SMAR's, down to when its steps were taken.
    (added,) = now.keys() - runs.keys()
    metrics = [run / "metrics.jsonl" for run in (out / "runs" / added, first_seed)]
    steps = [[line for line in path.read_text().splitlines() if '"pretraining"' in line] for path in metrics]
    assert steps[0] == steps[1]
    assert steps[0]
    again = json.loads((out / "table.json").read_text(encoding="utf-8"))
    first = {row["name"]: row["groups"]["Overall"]["mean"] for row in again["rows"]}
    for name, row in rows.items():
        assert first[name] == pytest.approx(row["groups"]["Overall"]["mean"])

    # Where the values alone were taken to, the same table is written, with nothing trained and no photos of mistakes.
    shutil.rmtree(out / "found")
    shutil.rmtree(out / "runs")
    place.succeed("reproduce", "shops/demo", *settings, *ROWS, "--only", "gate")
    assert not (out / "runs").exists()
    assert json.loads((out / "table.json").read_text(encoding="utf-8")) == again
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "<figcaption>(not kept)</figcaption>" in page


def _is_smar(run: Path, *, seed: int) -> bool:
    config = json.loads(run.read_text(encoding="utf-8"))["config"]["model"]
    return (config["fusion"]["kind"], config["seed"]) == ("cross_attention", seed)


def test_an_unknown_row_is_refused_before_anything_is_trained(place: Place) -> None:
    said = place.fail(
        "reproduce", "shops/demo", "--out", "results/none", "--config", "configs/demo.toml", "--only", "SMAR2"
    )
    assert "'SMAR2': is no row; choose of" in said
    assert not (place.folder / "results" / "none").exists()
