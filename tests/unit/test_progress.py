"""Bars: what is shown, and what one bar tells of in place of others."""

from __future__ import annotations

import io

import pytest

from smar.progress import console, one_bar, progress_bar, track


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    text = io.StringIO()
    monkeypatch.setattr(console, "_file", text)
    return text


def test_one_bar_stands_for_those_within_it(shown: io.StringIO) -> None:
    with one_bar("all", 2) as bar:
        for _ in range(2):
            assert list(track(range(3), "a part")) == [0, 1, 2]
            bar.advance()
    assert "2/2" in shown.getvalue()
    assert "a part" not in shown.getvalue()
    assert list(track(range(3), "by itself")) == [0, 1, 2]
    assert "by itself" in shown.getvalue()


def test_bars_are_shown_again_after_a_failure(shown: io.StringIO) -> None:
    with pytest.raises(ValueError, match="half way"), one_bar("all", 1):
        raise ValueError("half way")
    assert list(track(range(3), "a part")) == [0, 1, 2]
    assert "a part" in shown.getvalue()


def test_a_bar_of_no_steps_is_not_shown(shown: io.StringIO) -> None:
    with progress_bar("nothing", 0):
        pass
    assert list(track([], "as little", 0)) == []
    assert not shown.getvalue()
