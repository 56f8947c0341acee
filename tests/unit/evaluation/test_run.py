"""Runs: their order, what they refuse, and TREC run files."""

from __future__ import annotations

from pathlib import Path

import pytest

from smar.errors import DataError, MismatchError
from smar.evaluation.run import Run


def test_equal_scores_are_ordered_by_item_id() -> None:
    run = Run.build("r", {"q": [("c", 2.0), ("b", 1.0), ("a", 1.0)]})
    assert run["q"] == [("c", 2.0), ("a", 1.0), ("b", 1.0)]


def test_a_score_that_rises_is_refused_with_its_rank() -> None:
    with pytest.raises(MismatchError, match=r"r, query q, rank 3: score 2\.0 follows 1\.0"):
        Run.build("r", {"q": [("a", 3), ("b", 1), ("c", 2)]})


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_refused(score: float) -> None:
    with pytest.raises(MismatchError, match=r"rank 1: score .* is no finite number"):
        Run.build("r", {"q": [("a", score)]})


def test_an_item_ranked_twice_is_refused() -> None:
    with pytest.raises(MismatchError, match="item a is ranked 2 times"):
        Run.build("r", {"q": [("a", 3), ("b", 2), ("a", 1)]})


def test_a_run_tells_its_length_depth_and_items() -> None:
    run = Run.build("r", {"q1": [("a", 2), ("b", 1)], "q2": []})
    assert len(run) == 2
    assert run.depth == 2
    assert list(run) == ["q1", "q2"]
    assert run.item_ids("q1") == ["a", "b"]
    assert run.item_ids("q2") == run.item_ids("q3") == []
    assert str(run) == "run r: 2 queries, up to 2 items each"
    assert Run.build("r", {}).depth == 0


def test_a_written_run_is_read_back_the_same(tmp_path: Path) -> None:
    run = Run.build("r", {"q2": [("b", 1 / 3), ("a", 0.1 + 0.2)], "q1": [("é", -1e-30)]})
    run.write(tmp_path / "r.trec")
    assert Run.read(tmp_path / "r.trec") == run


def test_a_written_line_is_what_trec_eval_reads(tmp_path: Path) -> None:
    Run.build("r", {"q": [("a", 2), ("b", 1.5)]}).write(tmp_path / "r.trec")
    assert (tmp_path / "r.trec").read_text() == "q Q0 a 1 2.0 r\nq Q0 b 2 1.5 r\n"


def test_the_score_decides_the_order_of_a_file_and_not_the_rank(tmp_path: Path) -> None:
    path = tmp_path / "r.trec"
    path.write_text("q Q0 b 1 1.0 r\nq\tQ0\ta\t2\t1.0\tr\n\nq Q0 c 3 7e0 r\n")
    assert Run.read(path)["q"] == [("c", 7.0), ("a", 1.0), ("b", 1.0)]


def test_a_run_read_can_be_given_a_name(tmp_path: Path) -> None:
    (tmp_path / "r.trec").write_text("q Q0 a 1 1.0 tag\n")
    assert Run.read(tmp_path / "r.trec").name == "tag"
    assert Run.read(tmp_path / "r.trec", name="a name").name == "a name"


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("q Q0 a 1 1.0", "has 5 fields; expected"),
        ("q Q0 a 1 1.0 r more", "has 7 fields; expected"),
        ("q Q0 a first 1.0 r", "rank `first` is no whole number"),
        ("q Q0 a 1 high r", "score `high` is no finite number"),
        ("q Q0 a 1 nan r", "score `nan` is no finite number"),
        ("q Q0 z 1 1.0 r", "item z is there twice for query q"),
        ("q Q0 a 1 1.0 s", "tag `s` after `r`; a file holds one run"),
    ],
)
def test_a_faulty_line_is_named_with_file_and_number(tmp_path: Path, line: str, fault: str) -> None:
    path = tmp_path / "bad.trec"
    path.write_text(f"q Q0 z 1 9.0 r\n{line}\n")
    with pytest.raises(DataError) as caught:
        Run.read(path)
    assert f"{path}, line 2: {fault}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_faults_are_named_at_once_but_no_more_than_twenty(tmp_path: Path) -> None:
    path = tmp_path / "bad.trec"
    path.write_text("only three fields\n" * 30)
    with pytest.raises(DataError) as caught:
        Run.read(path)
    assert str(caught.value).count("line ") == 20


def test_an_empty_a_missing_and_a_binary_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.trec").write_text("\n")
    (tmp_path / "binary.trec").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="has no line"):
        Run.read(tmp_path / "empty.trec")
    for name in ("missing.trec", "binary.trec"):
        with pytest.raises(DataError, match="cannot be read"):
            Run.read(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "query_id", "item_id", "what"),
    [
        ("two words", "q", "a", "run name"),
        ("r", "q 1", "a", "query id"),
        ("r", "q", "a b", "item id"),
        ("r", "q", "", "item"),
    ],
)
def test_what_the_format_cannot_hold_is_refused_and_leaves_no_file(
    tmp_path: Path, name: str, query_id: str, item_id: str, what: str
) -> None:
    with pytest.raises(DataError, match=what):
        Run.build(name, {query_id: [(item_id, 1.0)]}).write(tmp_path / "r.trec")
    assert list(tmp_path.iterdir()) == []


def test_a_name_of_two_words_can_be_written_under_a_tag(tmp_path: Path) -> None:
    Run.build("two words", {"q": [("a", 1.0)]}).write(tmp_path / "r.trec", tag="two-words")
    assert Run.read(tmp_path / "r.trec").name == "two-words"
