from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from smar.data.check import ShopCheck, check_shop, format_check
from smar.data.shop import Shop
from smar.errors import DataError

ITEMS = "item_id,title,price,image\na,Jug,3,images/a.png\nb,Vase,2.5,\n"
EVENTS = """timestamp,session_id,user_id,query,item_id,position,event
2026-01-01T00:00:00,s1,u1,red jug,a,1,click
2026-01-01T00:00:09,s1,u1,red jug,a,1,order
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 8), "red").save(tmp_path / "images" / "a.png")
    (tmp_path / "items.csv").write_text(ITEMS)
    (tmp_path / "events.csv").write_text(EVENTS)
    (tmp_path / "queries.dev.csv").write_text("query_id,query\nq1,tall vase\n")
    (tmp_path / "qrels.dev.csv").write_text("query_id,item_id,grade\nq1,b,1\n")
    return tmp_path


def lines(check: ShopCheck) -> list[str]:
    return [f"{fault.severity}: {fault}" for fault in check.faults]


def printed(check: ShopCheck, limit: int = 20) -> str:
    out = io.StringIO()
    Console(file=out, width=200).print(format_check(check, limit))
    return out.getvalue()


def test_a_sound_shop_has_no_faults(folder: Path) -> None:
    check = check_shop(folder)
    assert check.ok
    assert (len(check), check.faults, check.left_out) == (0, (), {})
    assert "no faults" in printed(check)


def test_every_fault_of_the_items_is_named_with_row_line_and_field(folder: Path) -> None:
    (folder / "items.csv").write_text(
        "item_id,title,price,in_stock,image\na,Jug,cheap,maybe,../a.png\na,,-3,1,\n,Vase,,,images/a.png\n"
    )
    (folder / "events.csv").write_text("timestamp,session_id,query,item_id,event\n")
    (folder / "qrels.dev.csv").write_text("query_id,item_id,grade\n")
    check = check_shop(folder)
    assert lines(check) == [
        "error: items.csv, row 1 (line 2), price: 'cheap' is not a finite number",
        "error: items.csv, row 1 (line 2), in_stock: 'maybe' is not one of true, false, 1, 0",
        "error: items.csv, row 1 (line 2), image: '../a.png' leaves the shop's folder; "
        "give a path relative to it, with forward slashes",
        "error: items.csv, row 2 (line 3), title: is empty; every row needs one",
        "error: items.csv, row 2 (line 3), item_id: 'a' is the id of row 1 already; ids are unique",
        "note: items.csv, row 2 (line 3), price: -3.0 is below 0",
        "error: items.csv, row 3 (line 4), item_id: is empty; every row needs one",
    ]
    assert check.left_out == {"items that have an error": 3}
    assert not check.ok


def test_every_fault_of_the_log_is_named(folder: Path) -> None:
    (folder / "events.csv").write_text(
        EVENTS + "soon,s1,u1,red jug,a,0,click\n2025-12-31,s1,u1,,gone,x,view\n,,,red jug,a,1,click\n"
    )
    check = check_shop(folder)
    assert lines(check) == [
        "error: events.csv, row 3 (line 4), timestamp: 'soon' is not a time (ISO 8601, or unix seconds)",
        "note: events.csv, row 3 (line 4), position: 0 is below 1; positions start at 1",
        "error: events.csv, row 4 (line 5), query: is empty; every row needs one",
        "error: events.csv, row 4 (line 5), position: 'x' is not a whole number",
        "error: events.csv, row 4 (line 5), event: 'view' is none of click, order",
        "error: events.csv, row 4 (line 5), item_id: 'gone' is not among the shop's items",
        "note: events.csv, row 4 (line 5), timestamp: 2025-12-31T00:00:00 is before an earlier row's; "
        "rows are best in order of time",
        "error: events.csv, row 5 (line 6), timestamp: is empty; every row needs one",
        "error: events.csv, row 5 (line 6), session_id: is empty; every row needs one",
    ]
    assert sum(check.left_out.values()) == 3


def test_counted_clicks_are_checked_too(folder: Path) -> None:
    (folder / "events.csv").unlink()
    (folder / "clicks.csv").write_text("query,item_id,clicks,orders\njug,a,1,0\njug,gone,2,-1\n,b,1,0\n")
    kinds = check_shop(folder).counts
    assert kinds == {"negative count": 1, "unknown item": 1, "missing query": 1}


def test_every_fault_of_the_judgments_is_named(folder: Path) -> None:
    (folder / "queries.dev.csv").write_text("query_id,query\nq1,vase\nq1,jug\nq2,\n")
    (folder / "qrels.dev.csv").write_text("query_id,item_id,grade\nq1,b,-1\nq1,b,1\nq9,gone,high\n")
    assert check_shop(folder).counts == {
        "duplicate query_id": 1,
        "missing query": 1,
        "negative grade": 1,
        "judged twice": 1,
        "unknown query": 1,
        "unknown item": 1,
        "wrong type": 1,
    }


def test_photos_are_decoded_if_asked_for(folder: Path) -> None:
    (folder / "items.csv").write_text(
        "item_id,title,image\na,Jug,images/a.png\nb,Vase,images/none.jpg\nc,Pot,images/bad.png\nd,Cup,images/print.jpg\n"
    )
    (folder / "images" / "bad.png").write_bytes(b"no picture")
    Image.new("CMYK", (8, 8)).save(folder / "images" / "print.jpg")
    check = check_shop(folder)
    assert [(fault.kind, fault.row, fault.severity) for fault in check.faults] == [
        ("image missing", 2, "error"),
        ("image unreadable", 3, "error"),
        ("image cmyk", 4, "note"),
    ]
    assert check.left_out == {"photos that are missing or unreadable": 2}
    assert Shop.open(folder).catalog.item_ids == ["a", "b", "c", "d"]
    assert check_shop(folder, images=False).counts == {"image missing": 1}


def test_rows_that_no_reader_takes_are_named_and_the_others_still_checked(folder: Path) -> None:
    (folder / "items.csv").write_bytes(b"item_id,title\na,Jug\nb,\xff\nc,Pot,x,y\nd,\n")
    check = check_shop(folder)
    assert [(fault.kind, fault.row, fault.line) for fault in check.faults if fault.file == "items.csv"] == [
        ("not UTF-8", 2, 3),
        ("malformed row", 3, 4),
        ("missing title", 4, 5),
    ]
    assert check.left_out["items that have an error"] == 3


def test_broken_lines_of_json_and_of_trec_are_named(folder: Path) -> None:
    (folder / "events.csv").unlink()
    (folder / "events.jsonl").write_bytes(
        b'{"timestamp": 1, "session_id": "s", "query": "\xff"}\n{oops\n[]\n'
    )
    (folder / "qrels.dev.csv").unlink()
    (folder / "qrels.dev.trec").write_text("q1 0 b 1\nq1 0\n")
    found = {(fault.file, fault.kind, fault.row) for fault in check_shop(folder).faults if fault.row}
    assert found == {
        ("events.jsonl", "not UTF-8", 1),
        ("events.jsonl", "malformed row", 2),
        ("events.jsonl", "malformed row", 3),
        ("qrels.dev.trec", "malformed row", 2),
    }


def test_missing_tables_and_columns_are_faults(folder: Path) -> None:
    for name in ("items.csv", "events.csv", "qrels.dev.csv"):
        (folder / name).unlink()
    check = check_shop(folder)
    assert [(fault.file, fault.kind, fault.severity) for fault in check.faults] == [
        ("events", "missing table", "note"),
        ("items", "unusable table", "error"),
        ("qrels.dev", "unusable table", "error"),
    ]
    (folder / "items.csv").write_text("item_id\na\n")
    check = check_shop(folder)
    assert "error: items.csv: there is no column `title`, which every row needs" in lines(check)


def test_a_table_in_two_formats_and_a_broken_parquet_are_faults(folder: Path) -> None:
    (folder / "items.parquet").write_bytes(b"x")
    assert "items.parquet and items.csv" in " ".join(lines(check_shop(folder)))
    (folder / "items.csv").unlink()
    assert "no readable parquet" in " ".join(lines(check_shop(folder)))


def test_the_report_shows_so_many_faults_and_counts_the_rest(folder: Path) -> None:
    rows = "".join(f"i{row},Jug,cheap,\n" for row in range(30))
    (folder / "items.csv").write_text(ITEMS + rows)
    text = printed(check_shop(folder), limit=5)
    assert text.count("'cheap'") == 5
    assert "and 25 more" in text
    assert "wrong type" in text
    assert "items that have an error" in text


def test_a_name_in_brackets_is_printed_as_it_is(folder: Path) -> None:
    (folder / "items.csv").write_text('item_id,title,price\na,Jug,"[red]x[/]"\n')
    assert "[red]x[/]" in printed(check_shop(folder))


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is no folder"):
        check_shop(tmp_path / "nowhere")


def test_the_mart_has_no_errors(mart: Path) -> None:
    assert check_shop(mart, images=False).ok
