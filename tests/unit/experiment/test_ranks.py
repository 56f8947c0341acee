"""Rankings kept as ranks of relevant items: nothing that a measure asks is lost."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from smar.evaluation.measures import measure_queries, parse_measures
from smar.experiment.reproduce.ranks import is_unknown, ranking_of, ranks_of

ITEMS = [f"item-{number}" for number in range(30)]


@given(
    found=st.permutations(ITEMS).flatmap(lambda items: st.integers(0, 30).map(lambda count: items[:count])),
    grades=st.dictionaries(st.sampled_from(ITEMS), st.integers(1, 2), min_size=1),
)
def test_every_measure_of_a_ranking_is_that_of_its_relevant_items_ranks(
    found: list[str], grades: dict[str, int]
) -> None:
    relevant = sorted(grades)
    kept = ranking_of(ranks_of(relevant, found), relevant, depth=30)
    assert [item for item in kept if not is_unknown(item)] == [item for item in found if item in grades]
    measures = parse_measures(["R@20", "P@20", "F1@20", "nDCG@10", "RR@10"])
    assert measure_queries(measures, {"q": grades}, {"q": kept}) == measure_queries(
        measures, {"q": grades}, {"q": found}
    )
