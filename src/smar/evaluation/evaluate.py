"""Asks a retriever the judged queries, and judges what it returns.

Knows nothing of how a retriever finds anything: whatever has a name and `rank` can be judged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from smar.data.records import Query
from smar.errors import ConfigError, DataError, MismatchError
from smar.evaluation.measures import DEFAULT_MEASURES, depth_of, measure_queries, parse_measures
from smar.evaluation.report import Counts, Report
from smar.evaluation.run import Ranking, Run
from smar.progress import progress_bar

BATCH = 64

Judgements = Mapping[str, Mapping[str, int]]


class Retriever(Protocol):
    """Anything that ranks items for queries."""

    @property
    def name(self) -> str:
        """What to call its runs."""
        ...

    def rank(self, queries: Sequence[str], k: int) -> list[list[tuple[str, float]]]:
        """For each query up to k (item_id, score), best first, equal scores by rising item id."""
        ...


def retrieve(retriever: Retriever, queries: Sequence[Query], k: int) -> Run:
    """Ask `retriever` for the best `k` items of each query, in batches, under a progress bar.

    Raises:
        DataError: two queries have the same id.
        MismatchError: the retriever returns more or fewer rankings than queries, more than k items, items
            twice, or scores that rise or are no numbers.
    """
    _refuse_equal_ids(queries)
    rankings: dict[str, Ranking] = {}
    with progress_bar(f"ask {retriever.name}", total=len(queries)) as bar:
        for start in range(0, len(queries), BATCH):
            batch = queries[start : start + BATCH]
            found = retriever.rank([query.text for query in batch], k)
            if len(found) != len(batch):
                raise MismatchError(
                    f"{retriever.name}: returned {len(found)} rankings for {len(batch)} queries"
                )
            for query, ranking in zip(batch, found, strict=True):
                if len(ranking) > k:
                    raise MismatchError(
                        f"{retriever.name}, query {query.query_id}: {len(ranking)} items for k = {k}"
                    )
                rankings[query.query_id] = ranking
            bar.advance(len(batch))
    return Run.build(retriever.name, rankings)


def evaluate(
    retriever: Retriever,
    queries: Sequence[Query],
    qrels: Judgements,
    measures: Sequence[str] = DEFAULT_MEASURES,
    k: int | None = None,
) -> Report:
    """Ask the judged queries and report the measures, each as ir-measures computes it.

    Queries without any relevant item (grade 1 or more) are not asked; `report.unjudged` counts them. A judged
    query for which nothing is retrieved counts as 0.

    Args:
        retriever: anything with a name and `rank`.
        queries: the queries to ask.
        qrels: {query_id: {item_id: grade}}.
        measures: names such as `R@50`, `P@50`, `F1@50`, `nDCG@10`, `MRR`, `MAP`.
        k: how deep to retrieve; if not given, the largest cutoff, or 1000 for a measure without one.

    Raises:
        ConfigError: a measure is unknown, or `k` is smaller than a cutoff.
        DataError: no query has a relevant item, or two have the same id.
        MismatchError: the retriever breaks its promises (see `retrieve`).
    """
    parsed = parse_measures(measures)
    deepest = max((measure.cutoff or 1 for measure in parsed), default=1)
    if k is not None and k < deepest:
        raise ConfigError(f"k = {k}: a measure looks down to rank {deepest}; give k >= {deepest}, or none")
    run = retrieve(retriever, _judged(queries, qrels), depth_of(parsed) if k is None else k)
    return evaluate_run(run, queries, qrels, measures)


def evaluate_run(
    run: Run, queries: Sequence[Query], qrels: Judgements, measures: Sequence[str] = DEFAULT_MEASURES
) -> Report:
    """Report the measures of a run made here or elsewhere; a measure without a cutoff sees all it holds.

    Raises:
        ConfigError: a measure is unknown.
        DataError: no query has a relevant item, or two have the same id.
        MismatchError: the run answers none of the judged queries.
    """
    parsed = parse_measures(measures)
    judged = _judged(queries, qrels)
    rankings = {query.query_id: run.item_ids(query.query_id) for query in judged}
    if not any(query.query_id in run.rankings for query in judged):
        raise MismatchError(
            f"{run.name}: answers none of {len(judged):,} judged queries; give the query file it was made for"
        )
    values = measure_queries(parsed, {query_id: qrels[query_id] for query_id in rankings}, rankings)
    asked = {query.query_id for query in queries}
    counts = Counts(
        judged=len(judged),
        unjudged=len(queries) - len(judged),
        empty=sum(not items for items in rankings.values()),
        unasked=sum(query_id not in asked for query_id in run),
        unknown=sum(query_id not in asked for query_id in qrels),
        depth=max(len(items) for items in rankings.values()),
    )
    return Report.build(run.name, judged, values, counts)


def _judged(queries: Sequence[Query], qrels: Judgements) -> list[Query]:
    _refuse_equal_ids(queries)
    judged = [
        query for query in queries if any(grade >= 1 for grade in qrels.get(query.query_id, {}).values())
    ]
    if not judged:
        raise DataError(
            f"none of {len(queries):,} queries has a relevant item among {len(qrels):,} judged query ids; "
            "give queries and qrels of the same split"
        )
    return judged


def _refuse_equal_ids(queries: Iterable[Query]) -> None:
    for query_id, times in Counter(query.query_id for query in queries).items():
        if times > 1:
            raise DataError(f"query id {query_id}: {times} queries have it; give each query its own id")
