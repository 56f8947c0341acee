"""A Ray cluster of three nodes counts and embeds what one machine does, also when processes and nodes are killed."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl
import psutil
import pytest
from PIL import Image

from model_fakes import small_config, small_model, write_shop
from smar.data.catalog import Catalog
from smar.data.shop import Shop
from smar.experiment.config import ExperimentConfig
from smar.retrieval.generations import current
from smar.retrieval.journal import Journal, apply_changes, read_changes
from smar.retrieval.stored import read_vectors

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="needs smar[ray]"),
]
EVENTS, FILES = 200_000, 24
NODES = 3


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(what: str, seconds: float = 60) -> Iterator[None]:
    """Iterate until the loop is left; fails after a while."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        yield
        time.sleep(0.03)
    pytest.fail(f"waited {seconds:.0f} s in vain: {what}")


@dataclass
class Node:
    """A node of the cluster as a tree of processes."""

    process: subprocess.Popen[bytes]
    log: Path

    def kill(self) -> None:
        """Kill all of its processes at once."""
        root = psutil.Process(self.process.pid)
        for one in [root, *root.children(recursive=True)]:
            try:
                one.send_signal(signal.SIGKILL)
            except psutil.NoSuchProcess:
                continue
        self.process.wait()

    def busy(self, tasks: Sequence[str]) -> psutil.Process | None:
        """A worker that is within one of `tasks`, by the title that Ray gives it."""
        for one in psutil.Process(self.process.pid).children(recursive=True):
            try:
                title = " ".join(one.cmdline())
            except psutil.Error:
                continue
            if title.startswith(tuple(f"ray::{task}" for task in tasks)):
                return one
        return None


@dataclass
class Nodes:
    """Three nodes on this machine, of one CPU each; the first is the head."""

    folder: Path
    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    nodes: list[Node] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def complete(self) -> None:
        """Start as many as are missing."""
        while len(self.nodes) < NODES:
            self.nodes.append(self._start())

    def stop(self) -> None:
        for node in reversed(self.nodes):
            node.kill()

    def wait(self, job: subprocess.Popen[str], *tasks: str) -> None:
        """Wait until a process, not of the head, is in one of `tasks`."""
        self._busy(job, tasks)

    def kill_worker(self, job: subprocess.Popen[str], *tasks: str) -> None:
        """Kill the first process, not of the head, that is seen in one of `tasks`."""
        _, worker = self._busy(job, tasks)
        worker.kill()

    def kill_node(self, job: subprocess.Popen[str], *tasks: str) -> None:
        """Kill the first node, not the head, that is seen in one of `tasks`."""
        node, _ = self._busy(job, tasks)
        node.kill()
        self.nodes.remove(node)
        assert job.poll() is None

    def _busy(self, job: subprocess.Popen[str], tasks: Sequence[str]) -> tuple[Node, psutil.Process]:
        for _ in wait_for(f"a worker in {tasks}"):
            assert job.poll() is None, "the job ended before anything was killed"
            for node in self.nodes[1:]:
                worker = node.busy(tasks)
                if worker is not None:
                    return node, worker
        raise AssertionError

    def _start(self) -> Node:
        head = ["--head", f"--port={self.port}", "--include-dashboard=false", f"--temp-dir={self.folder}"]
        # A node that is dead is known to be within seconds.
        head.append('--system-config={"health_check_period_ms": 1000, "health_check_failure_threshold": 4}')
        role = head if not self.nodes else [f"--address={self.address}"]
        size = ["--num-cpus=1", "--object-store-memory=100000000"]
        ports = ["--min-worker-port=0", "--max-worker-port=0", f"--ray-client-server-port={free_port()}"]
        log = self.folder.parent / f"node-{time.monotonic_ns()}.log"
        command = [Path(sys.executable).with_name("ray"), "start", "--block", *role, *size, *ports]
        with log.open("wb") as output:
            process = subprocess.Popen(
                list(map(str, command)), stdout=output, stderr=subprocess.STDOUT, env=self.environment
            )
        for _ in wait_for("a node"):
            assert process.poll() is None, log.read_text()
            if "Ray runtime started" in log.read_text():
                break
        return Node(process, log)


@pytest.fixture(scope="module")
def store() -> Iterator[dict[str, str]]:
    """The environment that leads to an S3-compatible store with a bucket `logs`; nothing where there is none."""
    program = shutil.which("moto_server")
    if program is None:
        yield {}
        return
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [program, "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        for _ in wait_for("the store"):
            assert server.poll() is None
            try:
                urllib.request.urlopen(urllib.request.Request(f"{url}/logs", method="PUT")).close()
                break
            except OSError:
                continue
        secrets = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
        yield {"AWS_ENDPOINT_URL": url, "AWS_DEFAULT_REGION": "us-east-1", **secrets}
        server.kill()


@pytest.fixture(scope="module")
def environment(store: dict[str, str]) -> dict[str, str]:
    ours = {"OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    # Other programs on this machine may take its memory; that is no reason to kill workers here.
    return {**os.environ, **store, **ours, "RAY_memory_monitor_refresh_ms": "0"}


@pytest.fixture(scope="module")
def running(environment: dict[str, str]) -> Iterator[Nodes]:
    # Paths of sockets are short.
    folder = Path(tempfile.mkdtemp(prefix="smar-ray-", dir="/tmp"))
    nodes = Nodes(folder / "ray", environment)
    try:
        nodes.complete()
        yield nodes
    finally:
        nodes.stop()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def nodes(running: Nodes) -> Nodes:
    running.complete()
    return running


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Some hundred items whose photos are so large that to embed them all takes a while."""
    folder = tmp_path_factory.mktemp("ray") / "shop"
    write_shop(folder, copies=30)
    rng = np.random.default_rng(0)
    photos = [f"images/large-{number}.jpg" for number in range(8)]
    for photo in photos:
        coarse = Image.fromarray(rng.integers(0, 256, (60, 60, 3), np.uint8))
        coarse.resize((1200, 1200)).save(folder / photo)
    items = pl.read_parquet(folder / "items.parquet").with_row_index("row")
    large = pl.col("row").map_elements(lambda row: photos[row % len(photos)], return_dtype=pl.String)
    items = items.with_columns(image=pl.when(pl.col("image").is_not_null()).then(large)).drop("row")
    items.write_parquet(folder / "items.parquet")
    return Shop.open(folder)


@pytest.fixture(scope="module")
def log(shop: Shop) -> Path:
    """A folder of Parquet files with events, some of no use."""
    folder = shop.folder.parent / "events"
    folder.mkdir()
    rng = np.random.default_rng(1)
    items = [*shop.catalog.item_ids, "gone", None]
    words = ("Größe", "size", " RED ", "red", "navy")
    queries = [*(f"{word} {number}" for word in words for number in range(300)), "", None]
    kinds = ["click", "click", "order", "view"]
    for file in range(FILES):
        rows = EVENTS // FILES + (file < EVENTS % FILES)

        def drawn(values: Sequence[str | None], rows: int = rows) -> list[str | None]:
            return [values[place] for place in rng.integers(0, len(values), rows)]

        table = pl.DataFrame(
            {
                "timestamp": [None if row % 97 == 0 else 1_700_000_000 + row for row in range(rows)],
                "session_id": [f"s{number}" for number in rng.integers(0, 200, rows)],
                "query": drawn(queries),
                "item_id": drawn(items),
                "event": drawn(kinds),
            }
        )
        table.write_parquet(folder / f"part-{file:02}.parquet")
    return folder


def smar(environment: dict[str, str], *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "smar", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def end(job: subprocess.Popen[str]) -> tuple[str, str]:
    """What a job that succeeds says."""
    said, noted = job.communicate(timeout=400)
    assert job.returncode == 0, said + noted
    return said, noted


def refusal(job: subprocess.Popen[str]) -> str:
    """The one line of a job that must refuse."""
    said, noted = job.communicate(timeout=400)
    assert (job.returncode, said) == (2, ""), said + noted
    assert noted.count("\n") == 1, noted
    return noted


@pytest.fixture(scope="module")
def counted_alone(shop: Shop, log: Path, environment: dict[str, str]) -> tuple[pl.DataFrame, str]:
    """The table, and what is said of it, by one machine."""
    out = shop.folder.parent / "alone.parquet"
    said, _ = end(smar(environment, "count", log, out, "--shop", shop.folder))
    return pl.read_parquet(out), said.replace(str(out), "OUT")


def test_a_log_is_counted_as_one_machine_counts_it_though_a_worker_and_a_node_die(
    nodes: Nodes, shop: Shop, log: Path, tmp_path: Path, counted_alone: tuple[pl.DataFrame, str]
) -> None:
    out = tmp_path / "clicks.parquet"
    job = smar(nodes.environment, "count", log, out, "--shop", shop.folder, "--ray", nodes.address)
    nodes.kill_worker(job, "MapBatches(_deal)")
    # By now each node holds dealt events that are lost with it.
    nodes.kill_node(job, "map", "reduce", "MapBatches(_count)")
    said, _ = end(job)
    expected, told = counted_alone
    assert said.replace(str(out), "OUT") == told
    assert f"from {EVENTS:,} events" in told
    for reason in ("empty query", "unknown item", "unknown event", "repeated in a session", "timestamp"):
        assert reason in told
    assert pl.read_parquet(out).equals(expected)
    assert not expected.select("query", "item_id").is_duplicated().any()
    # It is a table that a shop can have.
    folder = shutil.copytree(shop.folder, tmp_path / "shop", ignore=shutil.ignore_patterns("clicks.parquet"))
    out.rename(folder / "clicks.parquet")
    assert len(Shop.open(folder).clicks()) == len(expected)


def test_items_are_embedded_as_one_machine_embeds_them_though_a_worker_and_a_node_die(
    nodes: Nodes, shop: Shop, tmp_path: Path
) -> None:
    run, model = tmp_path / "run", small_model()
    model.cache = None
    model.save(run / "model")
    settings = ExperimentConfig(model=small_config(), compile_queries=False)
    (run / "run.json").write_text(json.dumps({"config": settings.model_dump(mode="json")}))
    # What a service changed is not in the shop's own table.
    change = {"title": "a mug like no other", "image": "images/large-3.jpg"}
    journal = Journal(run / "index")
    journal.append([("cable-1", change), ("mug-red-0", None)])
    journal.close()
    job = smar(nodes.environment, "index", shop.folder, run, "--ray", nodes.address)
    nodes.wait(job, "MapBatches(_embed)")
    time.sleep(3)  # Some blocks are done by then, and most are not.
    nodes.kill_worker(job, "MapBatches(_embed)")
    time.sleep(1)
    nodes.kill_node(job, "MapBatches(_embed)")
    end(job)
    catalog: Catalog = apply_changes(shop.catalog, read_changes(run / "index"))
    expected, found = model.embed_items(catalog), read_vectors(current(run / "index"))
    assert found.item_ids == catalog.item_ids
    assert found.has_image.tolist() == expected.has_image.tolist()
    np.testing.assert_allclose(found.text, expected.text, atol=1e-5)
    np.testing.assert_allclose(found.multimodal, expected.multimodal, atol=1e-5)
    # Nothing has changed since: nothing is embedded, and by nobody.
    _, noted = end(smar(nodes.environment, "index", shop.folder, run, "--ray", nodes.address))
    assert f"{len(catalog):,} of {len(catalog):,} items are as they were" in noted


def test_a_log_in_a_store_is_counted_into_the_store(
    nodes: Nodes, store: dict[str, str], shop: Shop, log: Path, counted_alone: tuple[pl.DataFrame, str]
) -> None:
    if not store:
        pytest.skip("needs `moto_server` on the PATH (pip install 'moto[s3]' flask flask-cors, elsewhere)")
    from pyarrow import fs

    bucket = fs.SubTreeFileSystem(
        "logs",
        fs.S3FileSystem(
            access_key="test",
            secret_key="test",
            region="us-east-1",
            allow_delayed_open=True,
            endpoint_override=store["AWS_ENDPOINT_URL"],
        ),
    )
    for file in log.iterdir():
        with bucket.open_output_stream(f"events/2026/{file.name}") as stream:
            stream.write(file.read_bytes())
    with bucket.open_output_stream("events/_SUCCESS.parquet") as stream:
        stream.write(b"no table")
    job = smar(
        nodes.environment,
        *("count", "s3://logs/events", "s3://logs/out/clicks.parquet", "--shop", shop.folder),
        *("--ray", nodes.address),
    )
    said, _ = end(job)
    expected, told = counted_alone
    assert said.replace("s3://logs/out/clicks.parquet", "OUT") == told
    with bucket.open_input_stream("out/clicks.parquet") as stream:
        assert pl.read_parquet(stream.read()).equals(expected)
    assert len(bucket.get_file_info(fs.FileSelector("out"))) == 1
    refused = smar(
        nodes.environment,
        *("count", "s3://logs/events", "s3://none/clicks.parquet", "--shop", shop.folder),
        *("--ray", nodes.address),
    )
    assert "there is no bucket none" in refusal(refused)


def test_a_file_without_a_column_is_refused_in_one_line(
    nodes: Nodes, shop: Shop, log: Path, tmp_path: Path
) -> None:
    shutil.copy(log / "part-00.parquet", tmp_path / "a.parquet")
    pl.read_parquet(log / "part-01.parquet").drop("session_id").write_parquet(tmp_path / "b.parquet")
    out = tmp_path / "out" / "clicks.parquet"
    job = smar(nodes.environment, "count", tmp_path, out, "--shop", shop.folder, "--ray", nodes.address)
    assert "b.parquet: there is no column `session_id`" in refusal(job)
    assert not out.parent.exists()


def test_what_a_node_refuses_is_said_in_one_line(nodes: Nodes, shop: Shop, log: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(log, tmp_path / "events")
    whole = (folder / "part-03.parquet").read_bytes()
    # Its footer is whole; what comes before is not.
    (folder / "part-03.parquet").write_bytes(bytes(len(whole) // 2) + whole[len(whole) // 2 :])
    out = tmp_path / "clicks.parquet"
    job = smar(nodes.environment, "count", folder, out, "--shop", shop.folder, "--ray", nodes.address)
    assert "part-03.parquet: is no readable parquet file" in refusal(job)
    assert not out.exists()


@pytest.mark.parametrize(
    ("address", "said"),
    [("127.0.0.1:1", "no cluster answers"), ("ray://127.0.0.1:10001", "is not HOST:PORT")],
)
def test_without_a_cluster_nothing_is_counted(
    shop: Shop, log: Path, tmp_path: Path, environment: dict[str, str], address: str, said: str
) -> None:
    out = tmp_path / "clicks.parquet"
    job = smar(environment, "count", log, out, "--shop", shop.folder, "--ray", address)
    assert f"error: --ray {address}: {said}" in refusal(job)
    assert not out.exists()
