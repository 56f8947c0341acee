"""Fixtures that several test folders share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def mart() -> Path:
    """The real shop beside this repository, where there is one."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data" / "mart"
    if not folder.is_dir():
        pytest.skip(
            "the real shop `mart` lies beside the repository of its maintainers only; it is not public"
        )
    return folder
