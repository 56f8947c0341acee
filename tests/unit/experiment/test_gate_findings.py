"""What the gate is worth: leads, luck, halves and calibration, worked out by hand or against chance."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from smar.experiment.reproduce.gate import Modes, Routes, calibrate, gate_findings, measure_gap

RIGHT, WRONG = ["a", "b"], ["x", "y"]


def test_leads_are_over_the_better_constant() -> None:
    qrels = {f"q{i}": {"a": 1, "b": 1} for i in range(4)}
    always = dict(zip(qrels, [RIGHT, RIGHT, RIGHT, WRONG], strict=True))
    never = dict(zip(qrels, [WRONG, WRONG, RIGHT, RIGHT], strict=True))
    gate = dict(zip(qrels, [RIGHT, WRONG, RIGHT, RIGHT], strict=True))
    gap = measure_gap([Routes(always, never, gate)], qrels, "R@50")
    assert (gap.better, gap.gate, gap.oracle) == pytest.approx((0.75, 0.0, 0.25))
    assert gap.closed == 0
    # Both halves of a query agree here, so there is no luck in it.
    assert (gap.routed, gap.attainable, gap.lucky) == pytest.approx((0.0, 0.25, 0.25))
    assert gap.queries_halved == 4
    perfect = measure_gap([Routes(always, never, {**always, "q3": RIGHT})], qrels, "R@50")
    assert perfect.closed == perfect.closed_of_attainable == pytest.approx(1)


def test_a_lead_that_is_luck_alone_is_told_as_such() -> None:
    """Each ranking finds each item by the toss of a coin, so what it finds of some says nothing of the others."""
    generator = np.random.default_rng(0)
    items = np.array([f"i{i}" for i in range(20)])
    qrels = {f"q{i}": dict.fromkeys(items.tolist(), 1) for i in range(600)}
    always, never = ({query: items[generator.random(20) < 0.5].tolist() for query in qrels} for _ in range(2))
    gap = measure_gap([Routes(always, never, always)], qrels, "R@50")
    assert gap.oracle > 0.04
    assert gap.lucky > gap.oracle
    assert abs(gap.attainable) < 0.01


def test_single_relevant_items_cannot_be_halved() -> None:
    qrels = {"q0": {"a": 1, "z": 0}}
    gap = measure_gap([Routes({"q0": RIGHT}, {"q0": WRONG}, {"q0": RIGHT})], qrels, "R@50")
    assert (gap.queries_halved, gap.attainable, gap.closed_of_attainable) == (0, 0.0, None)
    assert gap.closed is None


def test_calibration_by_hand() -> None:
    gate = np.array([0.2] * 50 + [0.8] * 50)
    helped = np.array([1.0, 0.0, 0.0, 0.0, 0.0] * 10 + [1.0, 1.0, 1.0, 1.0, 0.0] * 10)
    assert calibrate(gate, helped).error == pytest.approx(0)
    assert calibrate(gate, 1 - helped).error == pytest.approx(0.6)
    generator = np.random.default_rng(0)
    values = generator.uniform(size=20_000)
    assert calibrate(values, (generator.uniform(size=20_000) < values).astype(float)).error < 0.02
    assert calibrate(values, (generator.uniform(size=20_000) < 0.5).astype(float)).error == pytest.approx(
        0.25, abs=0.02
    )


def test_departments_and_seeds() -> None:
    def table(gate: list[float], value: list[float], found: list[list[str]]) -> pl.DataFrame:
        return pl.DataFrame(
            {
                "query_id": ["q0", "q1", "q2"],
                "department": ["fashion", "fashion", None],
                "gate": gate,
                "nDCG@10": value,
                "found": found,
            }
        )

    always = [table([0.9, 0.1, 0.9], [1.0, 0.0, 0.5], [RIGHT, WRONG, RIGHT])]
    never = [table([0.9, 0.1, 0.9], [0.0, 1.0, 0.5], [WRONG, RIGHT, RIGHT])]
    gate = [table([0.9, 0.1, 0.9], [1.0, 1.0, 0.5], [RIGHT, RIGHT, RIGHT])]
    qrels = {f"q{i}": {"a": 1, "b": 1} for i in range(3)}
    found = gate_findings(Modes(always, never, gate), qrels, ["nDCG@10"], 0.5)
    (part,) = found.routed
    assert (part.department, part.queries, part.with_image) == ("fashion", 2, 0.5)
    assert (part.gate, part.always, part.never) == (1.0, 0.5, 0.5)
    assert found.calibration is not None
    assert found.calibration.error == pytest.approx(0.1)
    said = found.to_json()
    assert said["gaps"][0]["closed"] == pytest.approx(1)
    level = gate_findings(Modes(always, always, always), qrels, ["nDCG@10"], 0.5)
    assert level.calibration is None
