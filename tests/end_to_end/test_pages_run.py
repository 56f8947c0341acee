"""The programs that the pages show, run as a reader would run them."""

from __future__ import annotations

import re

import pytest

from command_line_place import ROOT, Place

pytestmark = pytest.mark.end_to_end


@pytest.mark.parametrize("page", ["README.md", "docs/search.md", "docs/evaluation.md"])
def test_the_python_blocks_of_a_page_run_one_after_the_other(place: Place, page: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.S)
    assert blocks
    program = place.folder / "page.py"
    program.write_text("\n".join(blocks), encoding="utf-8")
    done = place.python(program.name)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert done.stdout.count("\n") > 5


def test_the_readme_example_runs_as_a_program(place: Place) -> None:
    done = place.python(ROOT / "examples" / "readme_example.py", "shops/demo", "configs/demo.toml")
    assert done.returncode == 0, done.stderr
    assert "nDCG@10" in done.stdout


def test_every_other_example_is_run_by_a_test_of_its_own() -> None:
    named = (ROOT / "tests" / "end_to_end" / "test_command_line.py").read_text(encoding="utf-8")
    for path in (ROOT / "examples").glob("*.py"):
        assert path.name == "readme_example.py" or path.name in named, path.name
