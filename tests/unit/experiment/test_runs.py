"""A run's index: the query tower that is compiled with it, and items that did not change."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_fakes import small_model, write_shop
from smar.data.shop import Shop
from smar.errors import ModelError
from smar.experiment.config import ExperimentConfig
from smar.experiment.runs import Run
from smar.model.compiled import CompiledQueries
from smar.model.smar import SMAR


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return write_shop(tmp_path_factory.mktemp("runs") / "shop", copies=1)


def run_in(folder: Path, **settings: object) -> Run:
    small_model().save(folder / "run" / "model")
    return Run(folder / "run", ExperimentConfig.model_validate(settings))


def test_a_damaged_query_tower_is_compiled_again_and_a_sound_one_kept(shop: Shop, tmp_path: Path) -> None:
    run = run_in(tmp_path)
    run.index(shop, tmp_path / "cache")
    graph = run.folder / "queries" / "queries.onnx"
    written = graph.stat().st_mtime_ns
    run.index(shop, tmp_path / "cache")
    assert graph.stat().st_mtime_ns == written
    graph.write_bytes(b"damaged")
    with pytest.raises(ModelError, match="index the shop again"):
        run.engine()
    run.index(shop, tmp_path / "cache")
    assert isinstance(run.engine().model, CompiledQueries)


def test_without_compiling_the_model_itself_searches_and_an_old_tower_goes(
    shop: Shop, tmp_path: Path
) -> None:
    run_in(tmp_path).index(shop, tmp_path / "cache")
    run = run_in(tmp_path, compile_queries=False)
    run.index(shop, tmp_path / "cache")
    assert not (run.folder / "queries").exists()
    assert isinstance(run.engine().model, SMAR)
