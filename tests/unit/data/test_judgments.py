from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from smar.data.judgments import Qrels, read_queries
from smar.data.records import Judgment, Query
from smar.errors import DataError

GRADES = pl.DataFrame({"query_id": ["q2", "q1", "q1"], "item_id": ["a", "b", "a"], "grade": [1, 0, 2]})


def write(table: pl.DataFrame, path: Path) -> None:
    match path.suffix:
        case ".parquet":
            table.write_parquet(path)
        case ".csv":
            table.write_csv(path)
        case ".jsonl":
            table.write_ndjson(path)


def test_grades_are_found_by_query_and_item() -> None:
    qrels = Qrels.from_table(GRADES)
    assert dict(qrels) == {"q1": {"a": 2, "b": 0}, "q2": {"a": 1}}
    assert list(qrels.judgments) == [Judgment("q1", "a", 2), Judgment("q1", "b", 0), Judgment("q2", "a", 1)]
    assert "q3" not in qrels


@pytest.mark.parametrize("suffix", ["trec", "txt", "qrels"])
def test_trec_text_comes_back_as_it_went(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"qrels.dev.{suffix}"
    Qrels.from_table(GRADES).to_trec(path)
    assert path.read_text() == "q1 0 a 2\nq1 0 b 0\nq2 0 a 1\n"
    assert dict(Qrels.read(path)) == dict(Qrels.from_table(GRADES))


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_tables_give_what_trec_gives(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"qrels.dev.{suffix}"
    write(GRADES, path)
    assert dict(Qrels.read(path)) == dict(Qrels.from_table(GRADES))


def test_trec_text_cannot_hold_an_id_with_a_space(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has a space in an id"):
        Qrels({"q 1": {"a": 1}}).to_trec(tmp_path / "x.trec")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("q1 0 a 1\nq1 0 b\n", r"qrels\.dev\.trec, row 2 \(line 2\): has 3 cells, expected 4"),
        ("q1 0 a high\n", r"row 1, grade: 'high' is not a whole number"),
        ("q1 0 a -1\n", r"row 1, grade: -1 is below 0"),
        ("q1 0 a 1\nq1 0 a 2\n", r"row 2: 'q1' and 'a' are judged already"),
    ],
)
def test_judgments_that_cannot_be_are_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "qrels.dev.trec"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        Qrels.read(path)


def test_queries_are_read_with_department_and_kind(tmp_path: Path) -> None:
    path = tmp_path / "queries.dev.csv"
    path.write_text("query_id,query,department,kind,n_relevant\nq1,Red jug,home,real,3\nq2,vase,,,\n")
    assert read_queries(path) == [Query("q1", "Red jug", "home", "real"), Query("q2", "vase")]


@pytest.mark.parametrize("header", ["", "query_id\tquery\n"])
def test_queries_of_trec_are_read_with_or_without_a_header(tmp_path: Path, header: str) -> None:
    path = tmp_path / "queries.dev.tsv"
    path.write_text(f"{header}q1\tRed jug\n\nq2\tvase\r\n", newline="")
    assert read_queries(path) == [Query("q1", "Red jug"), Query("q2", "vase")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"q1\tjug\nq1\tvase\n", r"queries\.dev\.tsv, row 2, query_id: 'q1' is there already"),
        (b"q1\n", r"row 1 \(line 1\): has 1 cells, expected 2: query_id query"),
        (b"q1\t \n", r"row 1, query: is empty"),
        (b"q1\tjug\nq2\t\xff\n", r"row 2 \(line 2\): holds bytes that are not UTF-8"),
    ],
)
def test_queries_that_cannot_be_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "queries.dev.tsv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_queries(path)
