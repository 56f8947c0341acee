"""Reports of online tests: right where nothing differs, where something does, and where users were dealt wrongly."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from smar.errors import DataError
from smar.experiment.online.plot import draw_report
from smar.experiment.online.report import ArmReport, Effect, report
from smar.experiment.online.users import SUMS, Happenings

ARMS = {"text": 1.0, "smar": 1.0}


class Users:
    """Happenings that are users already."""

    skipped = 0
    departments: list[str] = []  # noqa: RUF012

    def __init__(self, table: pl.DataFrame) -> None:
        self.table = table

    def users(self, department: str | None = None, since: float | None = None) -> pl.DataFrame:
        return self.table


def draw(chance: np.random.Generator, users: int, uplift: float = 0.0, share: float = 0.5) -> pl.DataFrame:
    """Users whose wishes differ widely, and a treatment after which a click is ordered `uplift` more often."""
    arm = np.where(chance.random(users) < share, "smar", "text")
    keen = chance.gamma(0.7, 3, users)
    exposures = 1.0 + chance.poisson(2 * keen)
    clicks = chance.binomial(exposures.astype(int), 0.3).astype(float)
    orders = chance.binomial(clicks.astype(int), 0.2 * (1 + uplift * (arm == "smar"))).astype(float)
    before = chance.poisson(3 * keen).astype(float)
    sums = dict.fromkeys(SUMS, np.zeros(users)) | {
        "exposures": exposures,
        "clicks": clicks,
        "orders": orders,
        "gmv": orders * chance.lognormal(3, 0.4, users),
    }
    return pl.DataFrame(
        {"user": [f"u{number}" for number in range(users)], "arm": arm, **sums}
        | {
            "converted": (orders > 0).astype(float),
            "before_gmv": 20 * before,
            "before_orders": before,
            "before_clicks": before,
        }
    )


def compare(table: pl.DataFrame, since: float | None = None) -> ArmReport:
    return report(Users(table), ARMS, since, planned_users=400)[0]  # type: ignore[arg-type]


def figures(found: ArmReport) -> dict[str, Effect]:
    return {effect.figure: effect for effect in found.goals}


def test_arms_that_are_alike_differ_by_chance_as_often_as_stated() -> None:
    chance = np.random.default_rng(0)
    alarms: dict[str, list[bool]] = {}
    for _ in range(500):
        found = compare(draw(chance, 300))
        for effect in found.goals:
            alarms.setdefault(effect.figure, []).append(effect.p < 0.05)
            assert (effect.p < 0.05) == (not effect.low <= 0 <= effect.high)
        alarms.setdefault("sample ratio", []).append(found.sample_ratio_p < 0.05)
    for name, of_figure in alarms.items():
        # Three standard errors around one in twenty.
        assert 0.02 <= np.mean(of_figure) <= 0.08, name


def test_looking_every_day_raises_no_more_alarms_with_the_intervals_for_that() -> None:
    chance = np.random.default_rng(1)
    once, every = [], []
    for _ in range(120):
        table = draw(chance, 600)
        looks = [figures(compare(table.head(users)))["UCVR"] for users in range(60, 601, 60)]
        once.append(any(look.p < 0.05 for look in looks))
        every.append(any(not (look.always_low or 0) <= 0 <= (look.always_high or 0) for look in looks))
    assert np.mean(once) > 0.12  # what looking ten times does to an ordinary p
    assert np.mean(every) <= 0.07


def test_a_real_effect_is_found_and_the_past_makes_it_surer() -> None:
    table = draw(np.random.default_rng(2), 6000, uplift=0.4)
    plain, with_past = figures(compare(table)), figures(compare(table, since=0.0))
    for found in (plain, with_past):
        assert found["UCVR"].p < 0.001
        assert found["UCVR"].relative == pytest.approx(0.3, abs=0.15)
        assert found["CTR"].p > 0.01
    width = {
        name: of["GMV per user"].high - of["GMV per user"].low
        for name, of in (("plain", plain), ("past", with_past))
    }
    assert width["past"] < 0.97 * width["plain"]


def test_what_is_alike_in_all_is_left_out_and_what_is_equal_is_not_sure() -> None:
    table = draw(np.random.default_rng(5), 2000)
    half = np.arange(2000) % 2 == 0
    # One in ten orders in either arm, exactly: the difference is zero, and not surely so.
    even = table.with_columns(
        arm=pl.when(pl.Series(half)).then(pl.lit("text")).otherwise(pl.lit("smar")),
        converted=pl.Series((np.arange(2000) % 20 < 2).astype(float)),
        gmv=pl.lit(0.0),
    )
    found = figures(compare(even))
    assert "GMV per user" not in found
    assert found["UCVR"].difference == 0
    assert found["UCVR"].always_high is not None
    assert found["UCVR"].always_high > found["UCVR"].high > 0
    assert "NaN" not in json.dumps(compare(even).to_json())


def test_users_dealt_otherwise_than_meant_are_told() -> None:
    chance = np.random.default_rng(3)
    assert compare(draw(chance, 4000, share=0.6)).is_suspicious
    assert not compare(draw(chance, 4000)).is_suspicious


def write(path: Path, *happenings: dict[str, object]) -> Happenings:
    path.write_text(
        "".join(json.dumps({"time": 0.0, **one}) + "\n" for one in happenings) + '{"time": 3, "us',
        encoding="utf-8",
    )
    return Happenings.read(path)


def exposure(user: str, arm: str, hits: int = 10, **other: object) -> dict[str, object]:
    return {
        "user": user,
        "arm": arm,
        "event": "exposure",
        "hits": hits,
        "left_out": 0,
        "seconds": 0.5,
        **other,
    }


def test_one_row_a_user_by_hand(tmp_path: Path) -> None:
    order = {"event": "order", "department": "fashion", "price": 5.0}
    found = write(
        tmp_path / "log",
        exposure("a", "text", time=1.0, departments=["fashion", "tools"]),
        {"user": "a", "arm": "text", "time": 2.0, **order},
        exposure("a", "text", time=11.0, departments=["tools"], hits=0),
        {"user": "a", "arm": "text", "time": 12.0, **order, "price": 7.0},
        exposure("b", "smar", time=13.0, departments=["fashion"]),
        {"user": "b", "arm": "smar", "time": 14.0, "event": "click", "department": "fashion"},
        {"user": "c", "arm": "smar", "time": 15.0, **order},
    )
    assert found.skipped == 1
    assert found.departments == ["fashion", "tools"]
    rows = {row["user"]: row for row in found.users().to_dicts()}
    assert rows.keys() == {"a", "b"}  # c was never exposed
    assert (rows["a"]["exposures"], rows["a"]["gmv"], rows["a"]["orders"], rows["a"]["empty"]) == (
        2,
        12,
        2,
        1,
    )
    assert (rows["b"]["clicks"], rows["b"]["converted"], rows["b"]["before_gmv"]) == (1, 0, 0)
    fashion = {row["user"]: row for row in found.users("fashion").to_dicts()}
    assert (fashion["a"]["exposures"], fashion["a"]["gmv"]) == (1, 12)
    later = {row["user"]: row for row in found.users(since=10.0).to_dicts()}
    assert (later["a"]["gmv"], later["a"]["before_gmv"], later["a"]["before_orders"]) == (7, 5, 1)


def test_too_little_to_compare_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        Happenings.read(tmp_path / "none")
    (tmp_path / "empty").touch()
    with pytest.raises(DataError, match="nobody was exposed yet"):
        Happenings.read(tmp_path / "empty")
    with pytest.raises(DataError, match="arm smar: 0 users"):
        report(write(tmp_path / "log", exposure("a", "text"), exposure("b", "text")), ARMS)


def test_a_report_is_drawn_and_told(tmp_path: Path) -> None:
    found = compare(draw(np.random.default_rng(4), 500, uplift=1.0))
    for suffix in ("png", "svg"):
        draw_report(found, tmp_path / f"report.{suffix}")
        assert (tmp_path / f"report.{suffix}").stat().st_size > 2000
    told = json.loads(json.dumps(found.to_json()))
    assert {effect["figure"] for effect in told["goals"]} == {"GMV per user", "UCVR", "CTR"}
    assert found.table().row_count == len(found.goals) + len(found.guardrails)
