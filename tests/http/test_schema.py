"""The service against its own OpenAPI: whatever is asked, no fault and no reply that breaks the schema."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from service_place import Place
from smar.serving.app import create_app
from smar.serving.config import ServeConfig
from smar.serving.keys import new_key

KEY, LINES = new_key("fuzz", "write")

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module")
def address(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "keys.toml").write_text(LINES, encoding="utf-8")
    shutil.copytree(place.run / "model", folder / "run" / "model")
    Place(folder / "run", place.shop, place.model).publish()
    app = create_app(folder / "run", ServeConfig(keys=folder / "keys.toml", deadline=60))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join()


def test_the_service_keeps_its_word(address: str, tmp_path: Path) -> None:
    fuzzer = [
        Path(sys.executable).with_name("schemathesis"),
        "run",
        f"{address}/v1/openapi.json",
        "--header",
        f"Authorization: Bearer {KEY}",
        "--max-examples",
        "40",
        "--seed",
        "1",
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,negative_data_rejection",
        "--no-color",
    ]
    done = subprocess.run(fuzzer, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
