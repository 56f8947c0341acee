"""The reference of settings is written from the settings."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from smar.config import Config
from smar.experiment.describe import Section, describe, sections


class Engine(Config):
    """What drives it."""

    kind: Literal["steam", "diesel"] = "steam"
    """What it burns."""
    power: float = Field(default=1.5, gt=0, le=9)
    """In horses."""


class Wheels(Config):
    """What it rolls on.

    More about them.
    """

    count: int | None = None
    """How many; unset, as many
    as needed."""
    sizes: tuple[float, ...] = (1.0, 2.5)
    """Across."""
    makers: dict[str, tuple[str, ...]] = Field(default={})
    """By country."""


class Train(Config):
    """It runs."""

    name: str
    """What it is called | or not."""
    since: datetime | None = None
    """When it began."""
    engine: Engine = Engine()
    """In front."""
    wheels: Wheels | None = None
    """Below."""


def test_every_record_inside_is_a_section_named_as_in_a_file() -> None:
    assert sections(Train) == [Section("", Train), Section("engine", Engine), Section("wheels", Wheels)]


def test_a_field_is_a_row_with_its_type_limits_default_and_sentence() -> None:
    lines = describe(Train).splitlines()
    assert lines[:3] == ["## Train", "", "It runs."]
    for row in (
        "| `name` | text | must be given | What it is called \\| or not. |",
        "| `since` | time or unset | unset | When it began. |",
        "## `[engine]` Engine",
        "| `kind` | `steam` or `diesel` | `steam` | What it burns. |",
        "| `power` | number, > 0, <= 9 | `1.5` | In horses. |",
        "## `[wheels]` Wheels",
        "What it rolls on.",
        "| `count` | whole number or unset | unset | How many; unset, as many as needed. |",
        "| `sizes` | list of number | `[1.0, 2.5]` | Across. |",
        "| `makers` | table: list of text by name | `{}` | By country. |",
    ):
        assert row in lines


def test_a_record_inside_is_no_row() -> None:
    assert "| `engine`" not in describe(Train)
