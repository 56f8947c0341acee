"""Puts the vectors of a catalogue into a new collection, has them checked, and gives it the alias.

Rows are sent in batches, each again until it is taken: a cluster that has too much to do refuses some. What was sent
twice is there once. Nothing that readers use is touched before the checks have passed.
"""

from __future__ import annotations

import fcntl
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO

import numpy as np

from smar.data.catalog import Catalog
from smar.errors import DataError, Unavailable
from smar.files import write_text
from smar.progress import console, progress_bar
from smar.retrieval.engines.milvus.address import MilvusAddress, cluster_errors, may_pass, reason
from smar.retrieval.engines.milvus.checks import check
from smar.retrieval.engines.milvus.indexes import FOLDER, Facts, MilvusIndexes, index_settings, read_facts
from smar.retrieval.engines.milvus.schema import (
    KEY,
    LONGEST,
    MOST_WORDS,
    PARTITIONS,
    VECTOR,
    WITHOUT_IMAGE,
    Field,
    cells,
    fields_of,
    keys,
)
from smar.retrieval.generations import generations
from smar.retrieval.index import IndexConfig, Rows
from smar.retrieval.vectors import ItemVectors, Vectors

if TYPE_CHECKING:
    from pymilvus import MilvusClient

_BATCH_BYTES = 8_000_000
_MOST_ROWS = 5_000
_WITNESSES = 64
"""In a partition: a part of the collection that holds more than a few hundredths of it is missed when it is gone."""
_NEAR, _LENGTH = 0.01, 1.05
"""How far witnesses lie from the direction of the vector that they are found by, and how long they are."""
_LONGEST_WAIT = 600.0
"""Seconds for which a cluster may refuse a batch, or take to build or load an index, until it is given up."""
_LONGEST_PAUSE = 10.0
_SECONDS_A_CALL = 30.0
_NOTE, _LOCK = ".collections", ".collections.lock"


class Filling:
    """Fills a collection for a new generation, and at its end drops those that no generation in `folder` has any more.

    All collections that were made for the folder and may still be there are noted in it, before they are made: so the
    next one drops what a killed one left behind, and what was out of reach. One process at a time.

    Raises:
        ConfigError: pymilvus is not installed.
        DataError: another process fills a collection for the folder.
        Unavailable: the cluster does not answer.
    """

    def __init__(self, address: MilvusAddress, folder: Path, run: str) -> None:
        self._address = address.patient()
        self._grace = address.grace
        self._folder = folder
        self._alias = address.alias(run)
        self._client = address.connect()
        self._notes: set[str] = set()
        self._before: set[str] | None = None
        self._filled: MilvusIndexes | None = None
        self._lock: TextIO | None = None

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self._folder / _LOCK).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise DataError(
                f"{self._folder}: another process is indexing into a cluster; wait for it to end"
            ) from error
        with suppress(FileNotFoundError):
            self._notes = set((self._folder / _NOTE).read_text(encoding="utf-8").splitlines())
        self._before = self._held()
        self._notes |= {self._line(name) for name in self._before or ()}
        return self

    def __exit__(self, *_: object) -> None:
        assert self._lock is not None
        held = self._held()
        # Where a generation's facts cannot be read now, none is dropped: it may be the one that answers.
        if held is not None:
            lines = {self._line(name) for name in held}
            gone = [line for line in sorted(self._notes - lines) if line.startswith(f"{self._address} ")]
            if any(line.split()[1] in (self._before or ()) for line in gone):
                time.sleep(self._grace)
            for line in gone:
                with suppress(*cluster_errors()):  # It stays on the note, and is dropped another time.
                    name = line.split()[1]
                    if self._client.has_collection(name, timeout=_SECONDS_A_CALL):
                        self._client.drop_collection(name, timeout=_SECONDS_A_CALL)
                    self._notes.remove(line)
        self._write_notes()
        self._lock.close()

    def fill(
        self, vectors: ItemVectors, catalog: Catalog, config: IndexConfig, queries: Vectors | None
    ) -> MilvusIndexes:
        """Make a collection of `vectors`, wait until it can be searched, and check it.

        Args:
            vectors: of `catalog`, in its order.
            catalog: whose columns can be filtered.
            config: `exact` scans in the cluster too.
            queries: float32 [query, dim], on which recall is measured; None takes some items' vectors.

        Raises:
            Unavailable: the cluster took too long over something, or refuses it.
            DataError: what arrived is not what was sent.
        """
        fields = fields_of(catalog)
        parts = {WITHOUT_IMAGE: np.flatnonzero(~vectors.has_image)}
        parts |= dict.fromkeys(PARTITIONS, np.flatnonzero(vectors.has_image))
        facts = Facts(
            collection=f"{self._alias}_{secrets.token_hex(4)}",
            alias=self._alias,
            model=vectors.model_fingerprint,
            catalog=vectors.catalog_fingerprint,
            fields=tuple(tuple(field) for field in fields),  # type: ignore[misc]
            witnesses=dict.fromkeys(parts, _WITNESSES),
            config=config.model_dump(mode="json"),
        )
        self._notes.add(self._line(facts.collection))
        self._write_notes()
        witness = vectors.text[0] if len(vectors) else np.eye(1, vectors.dim, dtype=np.float32)[0]
        client, collection = self._client, facts.collection
        indexes = MilvusIndexes.of(
            client, self._address, facts, config, np.array(vectors.has_image), np.array(witness)
        )
        _create(client, collection, self._address, vectors.dim, fields)
        with progress_bar("sending items to Milvus", sum(map(len, parts.values()))) as bar:
            for partition, rows in parts.items():
                for batch in _batches(rows, vectors, partition, catalog, fields, indexes.collection.witness):
                    _insert(client, collection, partition, batch)
                    bar.advance(sum(row[KEY] >= 0 for row in batch))
        _make_searchable(client, collection, self._address, config, len(vectors))
        check(indexes, vectors, parts, queries)
        self._filled = indexes
        return indexes

    def announce(self) -> None:
        """Let the alias name the collection that was filled."""
        assert self._filled is not None
        announce(self._filled)

    def _line(self, collection: str) -> str:
        return f"{self._address} {collection}"

    def _write_notes(self) -> None:
        write_text(self._folder / _NOTE, "".join(f"{line}\n" for line in sorted(self._notes)))

    def _held(self) -> set[str] | None:
        """The collections of the generations in the folder; None if one of them cannot be told."""
        there = [one.path for one in generations(self._folder) if (one.path / FOLDER).is_dir()]
        try:
            return {read_facts(path).collection for path in there}
        except DataError:
            return None


def announce(indexes: MilvusIndexes, seconds: float = _LONGEST_WAIT) -> None:
    """Let the alias name this collection, for whoever reads the cluster by it; it switches in one step.

    Raises:
        Unavailable: the cluster does not do it.
    """
    client, facts = indexes.collection.client, indexes.facts

    def point() -> None:
        wait = {"timeout": _SECONDS_A_CALL}
        if facts.alias in client.list_aliases(facts.collection, **wait)["aliases"]:
            return
        try:
            client.alter_alias(facts.collection, facts.alias, **wait)
        except cluster_errors():  # There may be none yet.
            client.create_alias(facts.collection, facts.alias, **wait)

    _until_done(point, f"naming {facts.collection} {facts.alias}", seconds)


def _create(
    client: MilvusClient, collection: str, address: MilvusAddress, dim: int, fields: tuple[Field, ...]
) -> None:
    from pymilvus import DataType, MilvusClient

    schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
    schema.add_field(KEY, DataType.INT64, is_primary=True)
    schema.add_field(VECTOR, DataType.FLOAT_VECTOR, dim=dim)
    for field in fields:
        if field.kind == "word":
            schema.add_field(field.name, DataType.VARCHAR, max_length=LONGEST)
        elif field.kind == "words":
            words = {"element_type": DataType.VARCHAR, "max_capacity": MOST_WORDS, "max_length": LONGEST}
            schema.add_field(field.name, DataType.ARRAY, **words)
        else:
            schema.add_field(field.name, DataType.INT8 if field.kind == "flag" else DataType.DOUBLE)
    wait = {"timeout": _SECONDS_A_CALL}

    def create() -> None:
        if not client.has_collection(collection, **wait):
            client.create_collection(collection, schema=schema, num_shards=address.shards, **wait)
        for partition in (WITHOUT_IMAGE, *PARTITIONS):
            if not client.has_partition(collection, partition, **wait):
                client.create_partition(collection, partition, **wait)

    _until_done(create, f"creating {collection}")


def _batches(
    rows: Rows,
    vectors: ItemVectors,
    partition: str,
    catalog: Catalog,
    fields: tuple[Field, ...],
    witness: Vectors,
) -> Iterator[list[dict[str, Any]]]:
    """Rows as Milvus takes them, witnesses strewn evenly among them."""
    source = vectors.multimodal if partition == "multimodal" else vectors.text
    size = max(1, min(_MOST_ROWS, _BATCH_BYTES // (8 * vectors.dim)))
    starts = range(0, max(1, len(rows)), size)
    random = np.random.default_rng(0)
    noise = random.normal(size=(_WITNESSES, vectors.dim)) * _NEAR / vectors.dim**0.5
    near = (witness + noise).astype(np.float32)
    near *= _LENGTH / np.linalg.norm(near, axis=1, keepdims=True)
    strewn = np.linspace(0, len(starts), _WITNESSES, endpoint=False).astype(np.int64)
    # Each partition has its own, so that no two rows have the same key.
    first = 1 + _WITNESSES * (WITHOUT_IMAGE, *PARTITIONS).index(partition)
    empty = {field.name: cells(catalog.table[field.column].clear(1), field.kind)[0] for field in fields}
    for place, start in enumerate(starts):
        chosen = rows[start : start + size]
        table = catalog.table[chosen]
        columns = {field.name: cells(table[field.column], field.kind) for field in fields}
        batch = [
            {KEY: key, VECTOR: vector} | {name: values[index] for name, values in columns.items()}
            for index, (key, vector) in enumerate(zip(keys(chosen, partition), source[chosen], strict=True))
        ]
        here = np.flatnonzero(strewn == place)
        yield batch + [{KEY: -(first + int(one)), VECTOR: near[one], **empty} for one in here]


def _insert(client: MilvusClient, collection: str, partition: str, batch: list[dict[str, Any]]) -> None:
    tries = 0

    def send() -> None:
        nonlocal tries
        tries += 1
        # What seems lost may have arrived: sent again, it replaces itself.
        write = client.insert if tries == 1 else client.upsert
        write(collection, batch, partition_name=partition, timeout=60)

    _until_done(send, f"sending items to {collection}")


def _make_searchable(
    client: MilvusClient, collection: str, address: MilvusAddress, config: IndexConfig, rows: int
) -> None:
    kind, settings = index_settings(config, rows)
    params = client.prepare_index_params()
    params.add_index(VECTOR, index_type=kind, metric_type="IP", params=settings)
    with console.status("Milvus builds and loads the index"):
        _until_done(
            lambda: client.flush(collection, timeout=_LONGEST_WAIT),
            f"writing {collection} to the cluster's own store",
        )
        _until_done(
            lambda: client.create_index(collection, params, timeout=_LONGEST_WAIT), f"indexing {collection}"
        )
        _until_done(
            lambda: client.load_collection(
                collection, replica_number=address.replicas, timeout=_LONGEST_WAIT
            ),
            f"loading {collection}",
        )


def _until_done(call: Callable[[], object], what: str, seconds: float = _LONGEST_WAIT) -> None:
    """Call until it succeeds, with longer and longer pauses.

    Raises:
        Unavailable: it still fails when the time is over, or will always.
    """
    until, pause = time.monotonic() + seconds, 0.1
    while True:
        try:
            call()
        except cluster_errors() as error:
            if time.monotonic() + pause > until or not may_pass(error):
                raise Unavailable(f"{what}: the cluster refuses ({reason(error)})") from error
        else:
            return
        time.sleep(pause)
        pause = min(_LONGEST_PAUSE, 2 * pause)
