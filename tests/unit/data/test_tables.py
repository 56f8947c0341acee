from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from smar.data.columns import Column, cast, infer
from smar.data.tables import find_table, open_chunks, read_table, table_digest
from smar.data.textfiles import file_faults, line_offset
from smar.errors import DataError

COLUMNS = (
    Column("name", needed=True, filled=True),
    Column("price", "number"),
    Column("count", "whole"),
    Column("flag", "flag"),
    Column("time", "time"),
)
CSV = "name,price,count,flag,time\nred,1.5,3,true,2026-01-02T03:04:05\nblue,,,0,\n"
JSONL = (
    '{"name": "red", "price": 1.5, "count": 3, "flag": true, "time": "2026-01-02T03:04:05Z"}\n'
    '{"name": "blue", "price": null, "flag": 0}\n'
)


def write(table: pl.DataFrame, path: Path) -> None:
    match path.suffix:
        case ".parquet":
            table.write_parquet(path)
        case ".csv":
            table.write_csv(path)
        case ".jsonl":
            table.write_ndjson(path)


def test_parquet_csv_and_jsonl_give_the_same_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    (tmp_path / "a.jsonl").write_text(JSONL)
    from_csv = read_table(tmp_path / "a.csv", COLUMNS)
    from_csv.write_parquet(tmp_path / "a.parquet")
    assert from_csv.rows() == [
        ("red", 1.5, 3, True, datetime(2026, 1, 2, 3, 4, 5)),
        ("blue", None, None, False, None),
    ]
    assert read_table(tmp_path / "a.jsonl", COLUMNS).equals(from_csv)
    assert read_table(tmp_path / "a.parquet", COLUMNS).equals(from_csv)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-02T03:04:05",
        "2026-01-02 03:04:05",
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.000+00:00",
        "2026-01-02T05:04:05+0200",
        " 2026-01-02T03:04:05 ",
        "1767323045",
        "1767323045.0",
    ],
)
def test_one_moment_may_be_written_in_many_ways(text: str) -> None:
    table = cast(pl.DataFrame({"time": [text]}), COLUMNS)
    assert table["time"].to_list() == [datetime(2026, 1, 2, 3, 4, 5)]


def test_a_time_may_lack_its_seconds_or_be_a_date() -> None:
    table = cast(
        pl.DataFrame({"time": ["2026-01-02", "2026-01-02 03:04", "2026-01-02T03:04+01:00"]}), COLUMNS
    )
    assert table["time"].to_list() == [
        datetime(2026, 1, 2),
        datetime(2026, 1, 2, 3, 4),
        datetime(2026, 1, 2, 2, 4),
    ]


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-13-01", "02/01/2026", "1767323045000", "2026-01-02T25:00:00"]
)
def test_what_is_no_time_is_not_guessed(text: str) -> None:
    assert cast(pl.DataFrame({"time": [text]}), COLUMNS)["time"].to_list() == [None]


@pytest.mark.parametrize(
    "cells",
    [
        pl.Series([datetime(2026, 1, 2)], dtype=pl.Datetime("ns")),
        pl.Series([datetime(2026, 1, 2, tzinfo=UTC)], dtype=pl.Datetime("ms", "UTC")),
        pl.Series([date(2026, 1, 2)]),
        pl.Series([1767312000]),
    ],
)
def test_times_of_any_column_type_are_read(cells: pl.Series) -> None:
    assert cast(cells.alias("time").to_frame(), COLUMNS)["time"].to_list() == [datetime(2026, 1, 2)]


def test_flags_are_words_or_digits() -> None:
    table = cast(pl.DataFrame({"flag": ["true", "FALSE", "1", "0", "yes", ""]}), COLUMNS)
    assert table["flag"].to_list() == [True, False, True, False, None, None]
    assert cast(pl.DataFrame({"flag": [1.0, 0.0, 2.0]}), COLUMNS)["flag"].to_list() == [True, False, None]


def test_numbers_are_finite_and_counts_are_whole() -> None:
    table = cast(pl.DataFrame({"price": ["1e2", "inf", "x"], "count": ["7", "7.0", "7.5"]}), COLUMNS)
    assert table["price"].to_list() == [100.0, None, None]
    assert table["count"].to_list() == [7, 7, None]


def test_a_not_a_number_is_an_empty_number(tmp_path: Path) -> None:
    pl.DataFrame({"name": ["a"], "price": [float("nan")]}).write_parquet(tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet", COLUMNS)["price"].to_list() == [None]


def test_a_fault_names_file_row_and_field(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("name,price\nred,1\nblue,cheap\n,3\n")
    with pytest.raises(
        DataError, match=r"a\.csv, row 2, price: 'cheap' is not a finite number; a\.csv, row 3, name"
    ):
        read_table(tmp_path / "a.csv", COLUMNS)


def test_twenty_faults_are_named_and_the_rest_counted(tmp_path: Path) -> None:
    pl.DataFrame({"name": ["a"] * 30, "price": ["x"] * 30}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError) as caught:
        read_table(tmp_path / "a.parquet", COLUMNS)
    message = str(caught.value)
    assert "row 20" in message
    assert "row 21" not in message
    assert "and 10 more" in message
    assert "\n" not in message


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("title\nred\n")
    with pytest.raises(DataError, match=r"a\.csv: there is no column `name`"):
        read_table(tmp_path / "a.csv", COLUMNS)


def test_a_column_of_a_type_that_cannot_be_is_one_fault(tmp_path: Path) -> None:
    pl.DataFrame({"name": [["a"], ["b"]]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet, name: is of type List\(String\), expected text \("):
        read_table(tmp_path / "a.parquet", COLUMNS)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"name,x\nred,1\n\xff\xfe,2\n", r"a\.csv, row 2 \(line 3\): byte 1 \(0xff\) is not UTF-8"),
        ("a.csv", b"name,x\nred,1,2\n", r"a\.csv, row 1 \(line 2\): has 3 cells, the header 2"),
        ("a.csv", b'name,x\n"r\ned",1\nblue,2,3\n', r"a\.csv, row 2 \(line 4\): has 3 cells"),
        (
            "a.jsonl",
            b'{"name": "a"}\n{"name": "\xff"}\n',
            r"a\.jsonl, row 2 \(line 2\): byte 11 .* is not UTF-8",
        ),
        ("a.jsonl", b'{"name": "a"}\n\n{"name"\n', r"a\.jsonl, row 2 \(line 3\): is no valid JSON"),
        ("a.jsonl", b'{"name": "a"}\n[1]\n', r"a\.jsonl, row 2 \(line 2\): is no JSON object"),
        ("a.parquet", b"no parquet", r"a\.parquet: is no readable parquet file"),
        ("a.csv", b"", r"a\.csv: is no readable csv file"),
    ],
)
def test_an_unreadable_file_is_refused_by_its_first_bad_row(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / name, COLUMNS)


def test_bad_bytes_late_in_a_long_file_are_found_too(tmp_path: Path) -> None:
    lines = [b'{"name": "a"}\n'] * 20_000
    lines[15_000] = b'{"name": "\xff"}\n'
    (tmp_path / "a.jsonl").write_bytes(b"".join(lines))
    with pytest.raises(DataError, match="row 15001"), open_chunks(tmp_path / "a.jsonl", COLUMNS):
        pass
    assert [fault.row for fault in file_faults(tmp_path / "a.jsonl")] == [15_001]


def test_a_byte_order_mark_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfname\nred\n")
    assert read_table(tmp_path / "a.csv", COLUMNS)["name"].to_list() == ["red"]


def test_a_table_in_two_formats_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    assert find_table(tmp_path, "a") == tmp_path / "a.csv"
    assert find_table(tmp_path, "b") is None
    (tmp_path / "a.jsonl").write_text(JSONL)
    with pytest.raises(DataError, match=r"has a\.csv and a\.jsonl; keep one"):
        find_table(tmp_path, "a")


@pytest.mark.parametrize("suffix", ["parquet", "csv", "jsonl"])
def test_chunks_hold_every_row_once_in_order(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    table = pl.DataFrame({"name": [f"n{row}" for row in range(25)], "other": range(25)})
    write(table, path)
    with open_chunks(path, COLUMNS, size=10, whole=10) as chunks:
        assert chunks.names == ["name"]
        assert len(chunks) == 3
        pieces = list(chunks)
    assert [start for start, _ in pieces] == [0, 10, 20]
    assert pl.concat([piece for _, piece in pieces]).equals(table.select("name"))


def test_text_becomes_the_narrowest_type_that_loses_nothing() -> None:
    assert infer(pl.Series(["1", None, "-20"])).to_list() == [1, None, -20]
    assert infer(pl.Series(["1", "2.5"])).to_list() == [1.0, 2.5]
    assert infer(pl.Series(["True", "false"])).to_list() == [True, False]
    assert infer(pl.Series(["007", "8"])).to_list() == ["007", "8"]
    assert infer(pl.Series(["a", "1"])).to_list() == ["a", "1"]


def test_a_digest_depends_on_values_not_on_width_or_column_order() -> None:
    narrow = pl.DataFrame({"a": pl.Series([1, 2], dtype=pl.Int8), "b": ["x", None]})
    wide = pl.DataFrame({"b": ["x", None], "a": [1, 2]})
    assert table_digest(narrow) == table_digest(wide)
    assert table_digest(wide) != table_digest(wide.with_columns(b=pl.Series([None, "x"])))
    assert table_digest(wide) != table_digest(wide.rename({"a": "c"}))
    assert table_digest(pl.DataFrame({"a": ["ab", "c"]})) != table_digest(pl.DataFrame({"a": ["a", "bc"]}))


def test_lines_are_known_only_where_rows_and_lines_run_alike(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("name\nred\nblue\n")
    assert line_offset(path, 2) == 1
    path.write_text('name\n"r\ned"\nblue\n')
    assert line_offset(path, 2) is None
    assert line_offset(tmp_path / "a.parquet", 2) is None
