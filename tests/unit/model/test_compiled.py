"""The compiled query tower: as the model embeds, a query at a time, without torch."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from model_fakes import small_model
from smar.errors import ModelError
from smar.model import compiling
from smar.model.compiled import CompiledQueries
from smar.model.compiling import compile_queries
from smar.model.smar import SMAR

TEXTS = ["red shirt", "a", "***", "mug 1/2-in", "very " * 60 + "long", "blue dress for a summer evening"]


@pytest.fixture(scope="module")
def model() -> SMAR:
    model = small_model()
    with torch.no_grad():
        model.gate.weight.normal_(0, 3, generator=torch.Generator().manual_seed(0))
    return model


@pytest.fixture(scope="module")
def folder(model: SMAR, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("compiled") / "queries"
    compile_queries(model, folder)
    return folder


def test_vectors_and_gates_are_nearly_the_models(model: SMAR, folder: Path) -> None:
    compiled, own = CompiledQueries.load(folder).embed_queries(TEXTS), model.embed_queries(TEXTS)
    assert compiled.vectors.dtype == compiled.gate.dtype == np.float32
    assert np.linalg.norm(compiled.vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert (compiled.vectors * own.vectors).sum(1).min() > 0.999
    assert np.ptp(own.gate) > 0.1
    assert compiled.gate == pytest.approx(own.gate, abs=0.05)


def test_a_query_that_is_not_read_to_its_end_is_known(model: SMAR, folder: Path) -> None:
    compiled = CompiledQueries.load(folder)
    cut = [text for text in TEXTS if compiled.cuts(text)]
    assert cut == [text for text in TEXTS if model.cuts(text)] == [TEXTS[4]]


def test_it_bears_the_models_fingerprint_and_threshold(model: SMAR, folder: Path) -> None:
    compiled = CompiledQueries.load(folder)
    assert (compiled.fingerprint, compiled.gate_threshold) == (model.fingerprint, model.gate_threshold)


def test_a_query_has_the_same_vector_alone_together_and_from_many_threads(folder: Path) -> None:
    compiled = CompiledQueries.load(folder)
    together = compiled.embed_queries(TEXTS).vectors
    with ThreadPoolExecutor(8) as pool:
        alone = [one.vectors[0] for one in pool.map(lambda text: compiled.embed_queries([text]), TEXTS * 5)]
    assert (np.stack(alone) == np.tile(together, (5, 1))).all()
    assert compiled.embed_queries([]).vectors.shape == (0, together.shape[1])


@pytest.mark.parametrize("settings", [{"lexical": {"dim": 0}}, {"kind": "text"}])
def test_models_without_spelling_or_without_a_gate_compile_too(
    settings: dict[str, object], tmp_path: Path
) -> None:
    model = small_model(**settings)  # type: ignore[arg-type]
    compile_queries(model, tmp_path / "queries")
    compiled, own = (
        CompiledQueries.load(tmp_path / "queries").embed_queries(TEXTS),
        model.embed_queries(TEXTS),
    )
    assert (compiled.vectors * own.vectors).sum(1).min() > 0.999
    assert compiled.gate == pytest.approx(own.gate, abs=0.01)


def test_compiling_leaves_the_model_as_it_was_and_replaces_an_old_folder(
    folder: Path, tmp_path: Path
) -> None:
    model = small_model().train()
    before = model.fingerprint
    (tmp_path / "queries").mkdir()
    (tmp_path / "queries" / "old").touch()
    compile_queries(model, tmp_path / "queries")
    assert model.training
    assert model.fingerprint == before
    assert sorted(path.name for path in (tmp_path / "queries").iterdir()) == sorted(
        path.name for path in folder.iterdir()
    )


@pytest.fixture
def broken(folder: Path) -> Iterator[Path]:
    graph = folder / "queries.onnx"
    whole = graph.read_bytes()
    graph.write_bytes(whole[: len(whole) // 2])
    yield folder
    graph.write_bytes(whole)


def test_a_damaged_folder_is_named(broken: Path) -> None:
    with pytest.raises(ModelError, match=f"{broken}: holds no readable query tower .* index the shop again"):
        CompiledQueries.load(broken)


def test_an_encoder_that_loses_too_much_in_8_bits_is_refused(
    model: SMAR, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def wrong(network: nn.Module, _: object) -> nn.Module:
        other = copy.deepcopy(network)
        for linear in (part for part in other.modules() if isinstance(part, nn.Linear)):
            nn.init.normal_(linear.weight, generator=torch.Generator().manual_seed(1))
        return other

    monkeypatch.setattr(compiling, "smooth", wrong)
    with pytest.raises(ModelError, match=r"are not the model's, cosine .*set compile_queries = false"):
        compile_queries(model, tmp_path / "queries")
    assert not list(tmp_path.iterdir())


def test_only_the_encoder_is_in_8_bits(folder: Path) -> None:
    graph = onnx.load(str(folder / "queries.onnx")).graph
    integers = [name for node in graph.node if node.op_type == "MatMulInteger" for name in node.input]
    floats = [name for node in graph.node if node.op_type in ("MatMul", "Gemm") for name in node.input]
    assert len(integers) > 0
    assert not [name for name in integers if name.startswith(("gate.", "tower.", "lexical."))]
    assert {"gate.weight", "tower.project.weight"} <= set(floats)


def test_an_encoder_that_cannot_be_compiled_says_what_to_set(
    model: SMAR, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("no such operator\nand a long tail")

    monkeypatch.setattr(torch.onnx, "export", fails)
    with pytest.raises(ModelError, match=r"\(no such operator\); set compile_queries = false"):
        compile_queries(model, tmp_path / "queries")
    assert not list(tmp_path.iterdir())


def test_it_starts_without_torch(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from smar.model.compiled import CompiledQueries; "
        f"CompiledQueries.load(Path({str(folder)!r})).embed_queries(['red']); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_compiling_leaves_logging_as_it_was(tmp_path: Path) -> None:
    code = (
        "import logging, sys; from pathlib import Path; from model_fakes import small_model; "
        "from smar.model.compiling import compile_queries; "
        f"compile_queries(small_model(), Path({str(tmp_path / 'queries')!r})); "
        "assert logging.root.handlers == []; logging.getLogger('other').info('unheard')"
    )
    tests = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], check=True, cwd=tests, capture_output=True, text=True)
    assert "unheard" not in done.stderr
