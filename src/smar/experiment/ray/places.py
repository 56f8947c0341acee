"""Logs and tables on a disk that all nodes see, or in an S3-compatible store. Knows Parquet; no shop, no Ray."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Self

import polars as pl

from smar.data.columns import Column, missing_columns
from smar.data.events import is_part_of_log
from smar.data.records import Fault, refuse
from smar.errors import ConfigError, DataError

STORE = "s3://"
_AT_ONCE = 16


def is_in_store(place: str) -> bool:
    """Whether `place` names an object in a store rather than a file."""
    return place.startswith(STORE)


class Group(NamedTuple):
    """A row group of a Parquet file, and how many rows it has."""

    path: str
    number: int
    rows: int


@dataclass(frozen=True)
class Place:
    """A path within a pyarrow file system; `name` is what the user called it."""

    name: str
    files: Any
    path: str

    @classmethod
    def of(cls, name: str) -> Self:
        """Open `s3://BUCKET/PATH`, or a path on disk.

        A store is found as AWS's own tools find it: AWS_ENDPOINT_URL, AWS_DEFAULT_REGION, and credentials from the
        environment, a profile or the machine's role.

        Raises:
            ConfigError: the store cannot be reached so.
        """
        from pyarrow import ArrowException, fs

        if not is_in_store(name):
            return cls(name, fs.LocalFileSystem(), str(Path(name).resolve()))
        try:
            # A small table is sent in one piece: fewer requests, and more stores do it well.
            settings = f"{'&' if '?' in name else '?'}allow_delayed_open=true"
            files, path = fs.FileSystem.from_uri(name + settings)
        except (ArrowException, OSError, ValueError) as error:
            raise ConfigError(
                f"{name}: cannot be opened ({_words(error)}); check the name and AWS_ENDPOINT_URL"
            ) from error
        return cls(name, files, path)

    def check_bucket(self) -> None:
        """See that a table can be written here later: that the bucket is there.

        Raises:
            ConfigError: it is not, or the store does not answer.
        """
        from pyarrow import fs

        bucket = self.path.partition("/")[0]
        try:
            is_there = self.files.get_file_info(bucket).type == fs.FileType.Directory
        except OSError as error:
            raise ConfigError(f"{self.name}: cannot be reached ({_words(error)})") from error
        if not is_there:
            raise ConfigError(f"{self.name}: there is no bucket {bucket}; make it first")

    def log_files(self) -> list[str]:
        """The Parquet files of a log: the one that is there, or all of that folder (`is_part_of_log`), by name.

        Raises:
            DataError: there is none, or the store cannot be read.
        """
        from pyarrow import fs

        try:
            there = self.files.get_file_info(self.path)
            if there.type == fs.FileType.Directory:
                found = self.files.get_file_info(fs.FileSelector(self.path, recursive=True))
        except OSError as error:
            raise DataError(f"{self.name}: cannot be read ({_words(error)})") from error
        if there.type == fs.FileType.NotFound:
            raise DataError(
                f"{self.name}: is not there; give a log of events, or a folder of its Parquet files"
            )
        if there.type == fs.FileType.File:
            if not self.path.endswith(".parquet"):
                raise DataError(f"{self.name}: is no .parquet file; a cluster reads Parquet only")
            return [self.path]
        paths = [PurePosixPath(one.path) for one in found if one.type == fs.FileType.File]
        files = sorted(str(path) for path in paths if is_part_of_log(path.relative_to(self.path)))
        if not files:
            raise DataError(f"{self.name}: has no Parquet file; a folder of events holds *.parquet")
        return files

    def groups(self, files: Sequence[str], columns: Sequence[Column]) -> list[Group]:
        """The row groups of `files`, in order.

        Raises:
            DataError: a file cannot be read, or lacks a column that is needed.
        """

        def footer(path: str) -> tuple[list[str], list[Group]]:
            with self._opened(path) as file:
                facts = file.metadata
                rows = [facts.row_group(number).num_rows for number in range(facts.num_row_groups)]
                return file.schema_arrow.names, [Group(path, *group) for group in enumerate(rows)]

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            footers = list(pool.map(footer, files))
        faults: list[Fault] = []
        for path, (names, _) in zip(files, footers, strict=True):
            faults += missing_columns(names, columns, PurePosixPath(path).name)
        refuse(faults)
        return [group for _, groups in footers for group in groups]

    def read(self, group: Group, columns: Sequence[Column]) -> pl.DataFrame:
        """Those of `columns` that are there, of one row group.

        Raises:
            DataError: the file cannot be read.
        """
        with self._opened(group.path) as file:
            names = [column.name for column in columns if column.name in file.schema_arrow.names]
            return pl.DataFrame(pl.from_arrow(file.read_row_group(group.number, columns=names)))

    @contextmanager
    def _opened(self, path: str) -> Iterator[Any]:
        from pyarrow import ArrowException, parquet

        try:
            with parquet.ParquetFile(path, filesystem=self.files) as file:
                yield file
        except (ArrowException, OSError) as error:
            raise DataError(
                f"{path}: is no readable parquet file ({_words(error)}); write it again"
            ) from error

    def write(self, table: pl.DataFrame) -> None:
        """Write a table as Parquet, whole or not at all: under another name first, then renamed.

        Raises:
            DataError: the store did not take it.
        """
        part, data = f"{self.path}.part", io.BytesIO()
        table.write_parquet(data)
        try:
            with self.files.open_output_stream(part) as stream:
                stream.write(data.getbuffer())
            self.files.move(part, self.path)
        except OSError as error:
            raise DataError(f"{self.name}: cannot be written ({_words(error)})") from error


def _words(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
