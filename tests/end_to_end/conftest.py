"""A little shop, made up, trained on and indexed once, for the tests beside this file."""

from __future__ import annotations

import pytest

from command_line_place import Place


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    here = Place.make(tmp_path_factory.mktemp("place"))
    here.succeed("make-shop", "shops/demo", "--items", 150, "--seed", 1)
    here.succeed("train", "shops/demo", "--config", "configs/demo.toml", "--out", "runs/demo")
    here.succeed("index", "shops/demo", "runs/demo")
    return here
