"""What stops a csv or jsonl file from being read, line by line, and a copy without it.

Knows no columns and no shop.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path

from smar.data.records import Fault


def first_fault(path: Path) -> Fault | None:
    """The first row of a csv or jsonl file that no reader accepts, or none."""
    return next(file_faults(path), None)


def file_faults(path: Path) -> Iterator[Fault]:
    """Every row that is not UTF-8, has too many cells (csv), or is no JSON object (jsonl)."""
    return (fault for _, fault in _rows(path) if fault is not None)


def write_readable(path: Path, copy: Path) -> None:
    """Write the table with bad bytes as U+FFFD and unreadable rows empty, so that row numbers stay."""
    with copy.open("w", encoding="utf-8", newline="") as out:
        for text, _ in _rows(path):
            out.write(text)


def _rows(path: Path) -> Iterator[tuple[str, Fault | None]]:
    yield from (_csv_rows(path) if path.suffix == ".csv" else _json_rows(path))


def _json_rows(path: Path) -> Iterator[tuple[str, Fault | None]]:
    row = 0
    with path.open("rb") as file:
        for line, raw in enumerate(file, start=1):
            if not raw.strip():
                continue
            row += 1
            try:
                value = json.loads(raw.decode("utf-8"))
            except UnicodeDecodeError as error:
                yield "{}\n", Fault("not UTF-8", _bad_byte(error), path.name, row, None, line)
            except ValueError as error:
                message = f"is no valid JSON ({error})"
                yield "{}\n", Fault("malformed row", message, path.name, row, None, line)
            else:
                if isinstance(value, dict):
                    yield raw.decode("utf-8").strip() + "\n", None
                else:
                    message = 'is no JSON object; every line needs one such as {"item_id": ...}'
                    yield "{}\n", Fault("malformed row", message, path.name, row, None, line)


def _csv_rows(path: Path) -> Iterator[tuple[str, Fault | None]]:
    """Rows of a csv file; one may span lines, and its number of cells may not exceed the header's."""
    width = 0
    for row, (line, raw) in enumerate(_csv_records(path)):
        fault = None
        try:
            text = raw.decode("utf-8-sig" if row == 0 else "utf-8")
        except UnicodeDecodeError as error:
            text = raw.decode("utf-8", errors="replace")
            fault = Fault("not UTF-8", _bad_byte(error), path.name, row or None, None, line)
        cells = next(csv.reader(io.StringIO(text, newline="")), [])
        if row == 0:
            width = len(cells)
        elif len(cells) > width:
            message = f"has {len(cells)} cells, the header {width}; quote a cell that holds a comma"
            fault = fault or Fault("malformed row", message, path.name, row, None, line)
            text = "," * (width - 1) + "\n"
        yield text, fault


def _csv_records(path: Path) -> Iterator[tuple[int, bytes]]:
    """The first line's number and the bytes of each record: lines are joined while a quote stands open."""
    held: list[bytes] = []
    start, is_open = 1, False
    with path.open("rb") as file:
        for line, raw in enumerate(file, start=1):
            if not held:
                start = line
            held.append(raw)
            is_open ^= raw.count(b'"') % 2 == 1
            if not is_open:
                yield start, b"".join(held)
                held = []
    if held:
        yield start, b"".join(held)


def _bad_byte(error: UnicodeDecodeError) -> str:
    return f"byte {error.start + 1} (0x{error.object[error.start]:02x}) is not UTF-8"


def line_offset(path: Path, rows: int) -> int | None:
    """What to add to a data row's number to get its line, or none where rows and lines do not run alike."""
    expected = {".csv": 1, ".jsonl": 0}.get(path.suffix)
    if expected is None:
        return None
    with path.open("rb") as file:
        lines = sum(1 for _ in file)
    return expected if lines == rows + expected else None
