"""What the pages say is what the code has: commands, options, settings, public names, links and examples."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path
from typing import Any

import pytest
import typer

import smar
from smar.cli import app
from smar.config import Config
from smar.experiment.config import ExperimentConfig
from smar.experiment.describe import configuration_page, sections

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
TOP: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
COMMANDS = {
    f"{name} {inner}".strip(): one
    for name, command in TOP.items()
    for inner, one in getattr(command, "commands", {"": command}).items()
}


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def every_config() -> list[type[Config]]:
    for module in pkgutil.walk_packages(smar.__path__, "smar."):
        importlib.import_module(module.name)
    found, waiting = [], [Config]
    while waiting:
        waiting += (inner := waiting.pop().__subclasses__())
        found += [record for record in inner if record.__module__.startswith("smar.")]
    return found


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_and_option_is_on_its_page(name: str) -> None:
    heading = re.search(rf"^## smar {name}\b.*$", page("docs/command-line.md"), re.M)
    assert heading, f"docs/command-line.md has no heading `## smar {name}`"
    section = page("docs/command-line.md")[heading.start() :].split("\n## ")[0]
    for parameter in COMMANDS[name].params:
        for option in [*parameter.opts, *parameter.secondary_opts]:
            if option.startswith("-") and option != "--help":
                assert f"`{option}" in section, f"smar {name}: {option} is not on the page"


def test_no_option_is_on_the_page_that_does_not_exist() -> None:
    known = {"--help", "--version"}
    for command in COMMANDS.values():
        known |= {
            option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
        }
    named = set(re.findall(r"(?<![\w-])--?[a-z][a-z0-9-]*", page("docs/command-line.md")))
    assert named <= known


def test_the_page_of_settings_is_what_smar_config_prints() -> None:
    assert page("docs/configuration.md") == configuration_page(), "run: smar config > docs/configuration.md"


def test_every_record_of_settings_is_on_its_page_with_every_field() -> None:
    text = page("docs/configuration.md")
    for record in every_config():
        assert record.__name__ in text, record
        for name, field in record.model_fields.items():
            assert field.description, f"{record.__name__}.{name}: has no sentence under it"
            assert f"`{name}`" in text or f"{name}]`" in text, f"{record.__name__}.{name}"


def test_a_record_within_a_record_has_the_defaults_of_its_class() -> None:
    # Otherwise a file that sets one of its fields would change the others as well, and the page would be wrong.
    for section in sections(ExperimentConfig):
        for name, field in section.record.model_fields.items():
            if isinstance(field.default, Config):
                assert field.default == type(field.default)(), f"[{section.name}] {name}"


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.toml")), ids=lambda path: path.name)
def test_every_file_of_settings_can_be_read(path: Path) -> None:
    ExperimentConfig.load(path)


def test_every_public_name_is_in_the_glossary() -> None:
    for name in smar.__all__:
        assert f"`smar.{name}`" in page("docs/glossary.md"), name
        assert getattr(smar, name) is not None


def test_every_file_of_the_glossary_has_the_name_beside_it() -> None:
    rows = re.findall(r"^\| .+ \| `(\w+)`.* \| `(src/[\w/]+\.py)` \|$", page("docs/glossary.md"), re.M)
    assert len(rows) > 10
    for name, file in rows:
        assert name in page(file), f"{name} is not in {file}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), f"{path.name}: {target}"


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_named_on_a_page_exists(path: Path) -> None:
    named = re.findall(
        r"`((?:src|docs|configs|examples|tests|bench)/[\w/.-]*\w\.\w+)`", path.read_text(encoding="utf-8")
    )
    for file in named:
        assert (ROOT / file).exists(), f"{path.name}: {file}"


def test_the_example_is_what_readme_shows() -> None:
    block = re.search(r"```python\n(.*?)```", page("README.md"), re.S)
    assert block
    example = [line.strip() for line in page("examples/readme_example.py").splitlines()]
    replaced = {'"shops/demo"': "shop_folder", '"configs/demo.toml"': "config_file"}
    for line in block[1].splitlines():
        for text, name in replaced.items():
            line = line.replace(text, name)
        assert line.strip() in example, line


def test_a_decision_has_its_page_in_the_list() -> None:
    for path in (ROOT / "docs" / "decisions").glob("0*.md"):
        assert f"]({path.name})" in page("docs/decisions/README.md"), path.name
