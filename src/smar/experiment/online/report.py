"""What can be said of an online test: effects with intervals, whether users were dealt as meant, and guardrails.

The statistics are tea-tasting's (delta method; CUPED, Deng et al. 2013); only the intervals that hold however often one
looks are computed here (asymptotic confidence sequences, Waudby-Smith et al. 2021).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from rich import box
from rich.table import Table

from smar.errors import ConfigError, DataError
from smar.evaluation.compare import shown_p
from smar.experiment.online.users import Happenings

OVERALL = "Overall"
CONFIDENCE = 0.95
SUSPICIOUS = 0.001
"""Below this p, the numbers of users in the arms are no chance, and nothing else should be believed."""
PLANNED_USERS = 10_000
_NORMAL = 1.96
_GOALS = {"GMV per user": "gmv", "UCVR": "converted"}
_RATES = {"CTR": "clicks"}
_GUARDRAILS = {"empty answers": "empty", "incomplete answers": "incomplete", "seconds a search": "seconds"}


@dataclass(frozen=True)
class Effect:
    """One figure in both arms, and their difference with its 95 % intervals.

    `low` and `high` hold at one look that was planned beforehand, `always_low` and `always_high` at every look; these
    are None for ratios.
    """

    group: str
    figure: str
    control: float
    treatment: float
    difference: float
    low: float
    high: float
    p: float
    always_low: float | None = None
    always_high: float | None = None

    @property
    def relative(self) -> float | None:
        """The difference as a share of the control's figure."""
        return self.difference / self.control if self.control else None


@dataclass(frozen=True)
class ArmReport:
    """One arm against the first."""

    control: str
    treatment: str
    users: tuple[int, int]
    sample_ratio_p: float
    goals: tuple[Effect, ...]
    guardrails: tuple[Effect, ...]
    skipped: int

    @property
    def is_suspicious(self) -> bool:
        """Whether the arms have other numbers of users than they should."""
        return self.sample_ratio_p < SUSPICIOUS

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"is_suspicious": self.is_suspicious}

    def table(self) -> Table:
        """For the terminal."""
        table = Table(
            box=box.SIMPLE_HEAD, title=f"{self.treatment} against {self.control}", title_justify="left"
        )
        for name in (
            "",
            "figure",
            self.control,
            self.treatment,
            "difference",
            "95 % interval",
            "p",
            "holds at every look",
        ):
            table.add_column(name, justify="left" if name in ("", "figure") else "right")
        for effect in (*self.goals, *self.guardrails):
            share = "" if effect.relative is None else f" ({effect.relative:+.1%})"
            always = ""
            if effect.always_low is not None and effect.always_high is not None:
                always = f"{effect.always_low:+.4g} to {effect.always_high:+.4g}"
            table.add_row(
                effect.group,
                effect.figure,
                f"{effect.control:.4g}",
                f"{effect.treatment:.4g}",
                f"{effect.difference:+.4g}{share}",
                f"{effect.low:+.4g} to {effect.high:+.4g}",
                shown_p(effect.p),
                always,
            )
        return table


def report(
    happenings: Happenings,
    shares: dict[str, float],
    since: float | None = None,
    planned_users: int = PLANNED_USERS,
) -> list[ArmReport]:
    """Compare every arm with the first.

    Args:
        happenings: what was noted.
        shares: the arms' names, the first being the control, with their parts of the users.
        since: when the test began, in Unix time; what users did before makes the figures surer (CUPED).
        planned_users: at how many users the intervals for every look are narrowest; fix it before the test.

    Raises:
        ConfigError: tea-tasting is not installed.
        DataError: an arm has fewer than two users.
    """
    control, *treatments = shares
    tables = {OVERALL: happenings.users(since=since)}
    departments = happenings.departments
    if len(departments) > 1:
        tables |= {name: happenings.users(name, since) for name in departments}
    return [
        _against(control, treatment, tables, shares, since is not None, planned_users, happenings.skipped)
        for treatment in treatments
    ]


def _against(
    control: str,
    treatment: str,
    tables: dict[str, pl.DataFrame],
    shares: dict[str, float],
    has_before: bool,
    planned_users: int,
    skipped: int,
) -> ArmReport:
    pairs = {
        group: table.filter(pl.col("arm").is_in([control, treatment])).with_columns(
            variant=(pl.col("arm") == treatment).cast(pl.Int64)
        )
        for group, table in tables.items()
    }
    counts = pairs[OVERALL]["variant"].value_counts()
    users = {int(variant): int(count) for variant, count in counts.iter_rows()}
    for place, name in enumerate((control, treatment)):
        if users.get(place, 0) < 2:
            raise DataError(
                f"arm {name}: {users.get(place, 0)} users were exposed; a comparison takes two or more"
            )
    goals = [
        effect
        for group, table in pairs.items()
        for effect in _effects(group, table, has_before, planned_users)
    ]
    return ArmReport(
        control=control,
        treatment=treatment,
        users=(users[0], users[1]),
        sample_ratio_p=_sample_ratio_p(pairs[OVERALL], shares[treatment] / shares[control]),
        goals=tuple(goals),
        guardrails=tuple(_ratios(OVERALL, pairs[OVERALL], _GUARDRAILS)),
        skipped=skipped,
    )


def _effects(group: str, table: pl.DataFrame, has_before: bool, planned_users: int) -> Iterator[Effect]:
    tea = _tea_tasting()
    for figure, column in _GOALS.items():
        covariate = f"before_{'gmv' if column == 'gmv' else 'orders'}" if has_before else None
        usable = covariate is not None and float(table[covariate].std() or 0) > 0  # type: ignore[arg-type]
        metric = tea.Mean(column, covariate if usable else None, confidence_level=CONFIDENCE)
        if not float(table[column].var() or 0):  # type: ignore[arg-type]
            continue  # Nobody differs: there is nothing to compare.
        found = _analyse(table, metric)
        yield _effect(group, figure, found, _always(found, len(table), planned_users))
    yield from _ratios(group, table, _RATES)


def _ratios(group: str, table: pl.DataFrame, columns: dict[str, str]) -> Iterator[Effect]:
    tea = _tea_tasting()
    for figure, column in columns.items():
        exposed = table.group_by("variant").agg(pl.col("exposures").sum())["exposures"].to_list()
        if len(exposed) == 2 and min(exposed) and float(table[column].var() or 0):  # type: ignore[arg-type]
            metric = tea.RatioOfMeans(column, "exposures", confidence_level=CONFIDENCE)
            yield _effect(group, figure, _analyse(table, metric), None)


def _analyse(table: pl.DataFrame, metric: Any) -> Any:
    return _tea_tasting().Experiment(figure=metric).analyze(table, control=0)["figure"]


def _effect(group: str, figure: str, found: Any, always: float | None) -> Effect:
    difference = found.effect_size
    return Effect(
        group,
        figure,
        found.control,
        found.treatment,
        difference,
        found.effect_size_ci_lower,
        found.effect_size_ci_upper,
        found.pvalue,
        None if always is None else difference - always,
        None if always is None else difference + always,
    )


def _always(found: Any, users: int, planned: int) -> float:
    """Half the width of an interval that covers the difference at all looks together with 95 %."""
    error = (found.effect_size_ci_upper - found.effect_size_ci_lower) / 2 / _NORMAL
    alpha = 1 - CONFIDENCE
    tightness = (-2 * math.log(alpha) + math.log(-2 * math.log(alpha)) + 1) / planned
    scaled = users * tightness
    return float(error * np.sqrt(2 * (scaled + 1) / scaled * math.log(math.sqrt(scaled + 1) / alpha)))


def _sample_ratio_p(table: pl.DataFrame, ratio: float) -> float:
    tea = _tea_tasting()
    return float(tea.Experiment(ratio=tea.SampleRatio(ratio)).analyze(table, control=0)["ratio"].pvalue)


def _tea_tasting() -> Any:
    try:
        import tea_tasting
    except ModuleNotFoundError as error:
        raise ConfigError(
            "a report of an online test needs tea-tasting; run `pip install 'smar[online]'`"
        ) from error
    return tea_tasting
