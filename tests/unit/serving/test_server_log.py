"""What the parts of a service print becomes lines of its log; no bars are drawn into it."""

from __future__ import annotations

from smar.progress import console, in_lines, track


def test_prints_become_lines_and_bars_are_left_out() -> None:
    said: list[str] = []
    with in_lines(said.append):
        assert list(track(range(3), "embedding items")) == [0, 1, 2]
        console.print("3 item texts of more than 48 tokens are cut there\n\nand more", soft_wrap=True)
        console.print("half a ", end="")
        console.print("line")
    assert said == ["3 item texts of more than 48 tokens are cut there", "and more", "half a line"]
    with console.capture() as captured:
        console.print("seen again")
    assert captured.get() == "seen again\n"
