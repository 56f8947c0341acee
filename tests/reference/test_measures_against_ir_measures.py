"""Our values against ir_measures and trec_eval (pytrec_eval) called directly, on random rankings."""

from __future__ import annotations

import random
from pathlib import Path

import ir_measures
import pytest
import pytrec_eval

from smar.data.records import Query
from smar.evaluation.evaluate import evaluate_run
from smar.evaluation.measures import measure_queries, parse_measures
from smar.evaluation.run import Run

NAMES = ["R@5", "R@50", "P@5", "P@50", "nDCG", "nDCG@10", "RR", "RR@10", "AP", "AP@20"]
TREC_EVAL = {
    "R@5": "recall_5",
    "R@50": "recall_50",
    "P@5": "P_5",
    "P@50": "P_50",
    "nDCG": "ndcg",
    "nDCG@10": "ndcg_cut_10",
    "RR": "recip_rank",
    "AP": "map",
    "AP@20": "map_cut_20",
}

Scores = dict[str, dict[str, float]]
Grades = dict[str, dict[str, int]]


def judged_run(seed: int, queries: int = 40) -> tuple[Grades, Scores]:
    """Queries with up to 80 of 120 items judged 0 to 3, and rankings of up to 100 items without ties."""
    draw = random.Random(seed)
    items = [f"item-{number:03}" for number in range(120)]
    qrels, run = {}, {}
    for number in range(queries):
        judged = draw.sample(items, draw.randint(1, 80))
        qrels[f"q{number}"] = {item: draw.choice([0, 0, 1, 2, 3]) for item in judged} | {judged[0]: 1}
        ranked = draw.sample(items, draw.randint(1, 100))
        run[f"q{number}"] = {item: 100.0 - rank - draw.random() / 2 for rank, item in enumerate(ranked)}
    return qrels, run


def our_values(qrels: Grades, scores: Scores, names: list[str]) -> Scores:
    run = Run.build(
        "r", {query: sorted(found.items(), key=lambda hit: -hit[1]) for query, found in scores.items()}
    )
    return measure_queries(parse_measures(names), qrels, {query: run.item_ids(query) for query in run})


@pytest.mark.parametrize("seed", range(3))
def test_every_query_has_the_value_that_ir_measures_gives(seed: int) -> None:
    qrels, scores = judged_run(seed)
    ours = our_values(qrels, scores, NAMES)
    asked = [getattr(ir_measures, name.split("@")[0]) for name in NAMES]
    asked = [m @ int(name.split("@")[1]) if "@" in name else m for m, name in zip(asked, NAMES, strict=True)]
    compared = 0
    for theirs in ir_measures.iter_calc(asked, qrels, scores):
        assert ours[str(theirs.measure)][theirs.query_id] == pytest.approx(theirs.value, abs=1e-12)
        compared += 1
    assert compared == len(NAMES) * len(qrels)


@pytest.mark.parametrize("seed", range(3))
def test_every_query_has_the_value_that_trec_eval_gives(seed: int) -> None:
    qrels, scores = judged_run(seed)
    ours = our_values(qrels, scores, list(TREC_EVAL))
    theirs = pytrec_eval.RelevanceEvaluator(qrels, set(TREC_EVAL.values())).evaluate(scores)
    for name, theirs_name in TREC_EVAL.items():
        for query in qrels:
            assert ours[name][query] == pytest.approx(theirs[query][theirs_name], abs=1e-12)


def test_means_of_a_report_are_the_aggregates_of_ir_measures(tmp_path: Path) -> None:
    qrels, scores = judged_run(7)
    del scores["q3"]  # a judged query that got nothing counts as zero there, too
    run = Run.build(
        "r", {query: sorted(found.items(), key=lambda hit: -hit[1]) for query, found in scores.items()}
    )
    report = evaluate_run(run, [Query(query, query) for query in qrels], qrels, ["R@50", "nDCG@10", "MRR@10"])
    run.write(tmp_path / "r.trec")
    (tmp_path / "qrels.trec").write_text(
        "".join(
            f"{query} 0 {item} {grade}\n" for query, grades in qrels.items() for item, grade in grades.items()
        )
    )
    theirs = ir_measures.calc_aggregate(
        [ir_measures.R @ 50, ir_measures.nDCG @ 10, ir_measures.RR @ 10],
        ir_measures.read_trec_qrels(str(tmp_path / "qrels.trec")),  # type: ignore[no-untyped-call]
        ir_measures.read_trec_run(str(tmp_path / "r.trec")),  # type: ignore[no-untyped-call]
    )
    assert report.overall.means == pytest.approx({str(measure): value for measure, value in theirs.items()})


def test_f1_at_a_cutoff_is_set_f_of_the_ranking_cut_there() -> None:
    qrels, scores = judged_run(11)
    ours = our_values(qrels, scores, ["F1@20"])["F1@20"]
    cut = {
        query: dict(sorted(found.items(), key=lambda hit: -hit[1])[:20]) for query, found in scores.items()
    }
    compared = 0
    for theirs in ir_measures.iter_calc([ir_measures.SetF], qrels, cut):
        # SetF divides precision by what was retrieved, P@20 by 20: they agree where 20 items came.
        if len(cut[theirs.query_id]) == 20:
            assert ours[theirs.query_id] == pytest.approx(theirs.value, abs=1e-12)
            compared += 1
    assert compared > 20


def test_equal_scores_are_judged_by_rising_item_id_where_trec_eval_takes_falling_ids() -> None:
    qrels, scores = {"q": {"a": 1}}, {"q": {"a": 1.0, "b": 1.0}}
    assert our_values(qrels, scores, ["RR"])["RR"]["q"] == 1.0
    assert pytrec_eval.RelevanceEvaluator(qrels, {"recip_rank"}).evaluate(scores)["q"]["recip_rank"] == 0.5


def test_scores_that_only_double_precision_tells_apart_keep_their_order() -> None:
    qrels, scores = {"q": {"a": 1}}, {"q": {"a": 1.0 + 1e-12, "b": 1.0}, "p": {}}
    assert our_values(qrels, scores, ["RR"])["RR"]["q"] == 1.0
