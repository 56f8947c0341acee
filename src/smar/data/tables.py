"""Tables on disk, read the same from parquet, csv and jsonl.

Knows columns and rows, not what a shop means by them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from smar.data.columns import Column, cast, cell_faults, infer, missing_columns
from smar.data.records import Fault, refuse
from smar.data.textfiles import first_fault
from smar.errors import DataError
from smar.files import digest

SUFFIXES = ("parquet", "csv", "jsonl")
# A text file up to this size is read in one go; a larger one becomes a temporary parquet file first.
WHOLE_BYTES = 64 << 20
CHUNK_ROWS = 1_000_000
# Names of a jsonl table's columns come from this many lines.
NAMES_FROM = 10_000


def find_table(folder: Path, name: str, suffixes: Sequence[str] = SUFFIXES) -> Path | None:
    """The one file `NAME.SUFFIX` of the folder, or none.

    Raises:
        DataError: the table is there in two formats.
    """
    found = [folder / f"{name}.{suffix}" for suffix in suffixes if (folder / f"{name}.{suffix}").is_file()]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise DataError(f"{folder}: has {names}; keep one of them")
    return found[0] if found else None


def scan(path: Path, columns: Sequence[Column], extras: bool = False) -> pl.LazyFrame:
    """The raw table: the columns of `columns` that it has and, with `extras`, every other one.

    Text formats give text for `columns`; what they hold is decided by `cast`, cell by cell.

    Raises:
        DataError: the file cannot be read; a text file's first bad row is named.
    """
    try:
        lazy = _open(path, columns, extras)
        names = lazy.collect_schema().names()
    except pl.exceptions.PolarsError as error:
        raise unreadable(path, error) from error
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read ({error})") from error
    known = [column.name for column in columns if column.name in names]
    return lazy.select(known + [name for name in names if extras and name not in known])


def read_table(path: Path, columns: Sequence[Column], extras: bool = False) -> pl.DataFrame:
    """The whole table, typed; with `extras` every further column follows, with its own type.

    Raises:
        DataError: a needed column is absent, or cells are empty or of the wrong type (up to 20 are named).
    """
    lazy = scan(path, columns, extras)
    refuse(missing_columns(lazy.collect_schema().names(), columns, path.name))
    raw = collect(lazy, path)
    table = cast(raw, columns)
    refuse(cell_faults(raw, table, columns, path.name))
    return table.with_columns(extra_columns(raw, columns, path)) if extras else table


def extra_columns(raw: pl.DataFrame, columns: Sequence[Column], path: Path) -> list[pl.Series]:
    """The columns of `raw` beyond `columns`; those of a csv file get the type that all their cells fit."""
    known = {column.name for column in columns}
    extras = [raw[name] for name in raw.columns if name not in known]
    return [infer(cells) for cells in extras] if path.suffix == ".csv" else extras


def collect(lazy: pl.LazyFrame, path: Path) -> pl.DataFrame:
    """Read a scanned table, or raise `DataError` naming its first bad row."""
    try:
        return lazy.collect(optimizations=_optimizations(path))
    except pl.exceptions.PolarsError as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> DataError:
    """The error for a file that the reader refuses: its first bad row, or the reader's own words."""
    fault: Fault | None = None if path.suffix == ".parquet" else first_fault(path)
    if fault is not None:
        return DataError(
            f"{fault}; save the file as UTF-8 {path.suffix[1:]} (`smar check SHOP` lists every such row)"
        )
    words = " ".join(str(error).split())[:200]
    return DataError(f"{path.name}: is no readable {path.suffix[1:]} file ({words}); write it again")


@dataclass(frozen=True, slots=True)
class Chunks:
    """A raw table in pieces of at most `size` rows; `path` names it in messages."""

    path: Path
    lazy: pl.LazyFrame
    rows: int
    size: int

    @property
    def names(self) -> list[str]:
        """The columns that are there, of those that were asked for."""
        return self.lazy.collect_schema().names()

    def __len__(self) -> int:
        return max(1, -(-self.rows // self.size))

    def __iter__(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """Yield the number of rows before a piece, and the piece; an empty table is one empty piece."""
        for start in range(0, max(1, self.rows), self.size):
            yield start, collect(self.lazy.slice(start, self.size), self.path)


@contextmanager
def open_chunks(
    path: Path, columns: Sequence[Column], size: int = CHUNK_ROWS, whole: int = WHOLE_BYTES
) -> Iterator[Chunks]:
    """Open a table of any length to be read piece by piece, of `size` rows each.

    A text file of more than `whole` bytes becomes a temporary parquet file (under TMPDIR) meanwhile.

    Raises:
        DataError: the file cannot be read.
    """
    lazy = scan(path, columns)
    with tempfile.TemporaryDirectory(prefix="smar-") as scratch:
        if path.suffix != ".parquet" and path.stat().st_size <= whole:
            lazy = collect(lazy, path).lazy()
        elif path.suffix != ".parquet":
            copy = Path(scratch) / "table.parquet"
            try:
                lazy.sink_parquet(
                    copy, row_group_size=size, compression="lz4", optimizations=_optimizations(path)
                )
            except pl.exceptions.PolarsError as error:
                raise unreadable(path, error) from error
            lazy = pl.scan_parquet(copy)
        rows = int(collect(lazy.select(pl.len()), path).item())
        yield Chunks(path, lazy, rows, size)


def table_digest(table: pl.DataFrame) -> str:
    """A digest of names and values: the same for the same values, from any format and in any width."""
    return digest(*(f"{name}={_column_digest(table[name])}" for name in sorted(table.columns)))


def _optimizations(path: Path) -> pl.QueryOptFlags:
    """Read all columns of a csv file: if some were skipped, a row with too many cells would go unseen."""
    return pl.QueryOptFlags(projection_pushdown=path.suffix != ".csv")


def _open(path: Path, columns: Sequence[Column], extras: bool) -> pl.LazyFrame:
    match path.suffix:
        case ".parquet":
            return pl.scan_parquet(path)
        case ".csv":
            return pl.scan_csv(path, infer_schema=False)
        case ".jsonl":
            return _open_jsonl(path, columns, extras)
    raise DataError(f"{path.name}: is none of {', '.join(SUFFIXES)}; name the file after its format")


def _open_jsonl(path: Path, columns: Sequence[Column], extras: bool) -> pl.LazyFrame:
    if path.stat().st_size == 0:
        return pl.LazyFrame()
    # Types are only believed of extra columns, and then must come from every line.
    sample = pl.scan_ndjson(path, infer_schema_length=None if extras else NAMES_FROM).collect_schema()
    known = {column.name for column in columns}
    schema = {name: pl.String() if name in known else dtype for name, dtype in sample.items()}
    return pl.scan_ndjson(path, schema=schema if extras else {n: t for n, t in schema.items() if n in known})


def _column_digest(cells: pl.Series) -> str:
    if cells.null_count() == len(cells):
        return digest("empty", str(len(cells)))
    if cells.dtype.is_integer():
        cells = cells.cast(pl.Int64)
    elif cells.dtype.is_numeric():
        cells = cells.cast(pl.Float64)
    elif cells.dtype in (pl.Categorical, pl.Enum):
        cells = cells.cast(pl.String)
    pieces = [_piece_digest(piece) for piece in cells.to_frame().iter_slices(100_000)]
    return digest(*pieces)


def _piece_digest(piece: pl.DataFrame) -> str:
    cells = piece.to_series()
    empty = np.packbits(cells.is_null().to_numpy()).tobytes()
    if cells.dtype == pl.String:
        lengths = cells.str.len_bytes().fill_null(0).cast(pl.Int64).to_numpy().tobytes()
        return digest("text", empty, lengths, "".join(cells.drop_nulls().to_list()))
    if cells.dtype == pl.Boolean:
        return digest("flag", empty, np.packbits(cells.fill_null(value=False).to_numpy()).tobytes())
    if cells.dtype.is_integer():
        return digest("whole", empty, cells.fill_null(0).to_numpy().tobytes())
    if cells.dtype.is_numeric():
        return digest("number", empty, cells.fill_null(0.0).to_numpy().tobytes())
    return digest("other", *(str(value) for value in cells.to_list()))
