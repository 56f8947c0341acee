"""A run: for every query, the items somebody retrieved, best first; reads and writes TREC run files.

Knows nothing of relevance, and does not care who made the run.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from smar.errors import DataError, MismatchError
from smar.files import whole_file

MOST_FAULTS = 20

Ranking = list[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Run:
    """A named run: {query_id: [(item_id, score), ...]}, best first.

    Order: falling score, equal scores by rising item id. So a run written to a file and read back is the same
        run, whatever order a retriever gave to equal scores.
    """

    name: str
    rankings: Mapping[str, Ranking]

    @classmethod
    def build(cls, name: str, rankings: Mapping[str, Sequence[tuple[str, float]]]) -> Run:
        """Check rankings and put equal scores in the order of their item ids.

        Raises:
            MismatchError: a ranking is not best first, names an item twice, or has a score that is no finite
                number.
        """
        return cls(name, {query_id: _checked(name, query_id, items) for query_id, items in rankings.items()})

    @classmethod
    def read(cls, path: str | Path, name: str | None = None) -> Run:
        """Read a TREC run file: `query_id Q0 item_id rank score tag` a line.

        As in trec_eval, the score decides the order and the rank column is only checked to be a whole number.
        The run is called `name`, or else by the file's tag.

        Raises:
            DataError: the file cannot be read, or lines are faulty (up to 20 are named).
        """
        path = Path(path)
        try:
            with path.open(encoding="utf-8") as lines:
                tag, scores = _parse(lines, path)
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: cannot be read ({error}); give a TREC run file") from error
        if not scores:
            raise DataError(
                f"{path}: has no line; a TREC run file has `query_id Q0 item_id rank score tag` a line"
            )
        rankings = {query_id: sorted(items.items(), key=_best_first) for query_id, items in scores.items()}
        return cls(name or tag, rankings)

    def write(self, path: str | Path, tag: str | None = None) -> None:
        """Write a TREC run file, whole or not at all; scores keep every digit, ranks start at 1.

        A query without any item has no line in such a file, and is absent when it is read back.

        Args:
            path: where to write.
            tag: the word in the last column, the run's name if not given.

        Raises:
            DataError: an id or the tag is empty or holds a space, which the format cannot express.
        """
        tag = self.name if tag is None else tag
        _refuse_spaces(tag, f"run name `{tag}`", "give a tag of one word")
        with whole_file(Path(path)) as part, part.open("w", encoding="utf-8") as file:
            for query_id, items in self.rankings.items():
                _refuse_spaces(query_id, f"run {self.name}: query id `{query_id}`", "rename the query")
                for rank, (item_id, score) in enumerate(items, start=1):
                    _refuse_spaces(item_id, f"run {self.name}: item id `{item_id}`", "rename the item")
                    file.write(f"{query_id} Q0 {item_id} {rank} {float(score)!r} {tag}\n")

    @property
    def depth(self) -> int:
        """Length of the longest ranking."""
        return max((len(items) for items in self.rankings.values()), default=0)

    def item_ids(self, query_id: str) -> list[str]:
        """Item ids for a query, best first; empty if the run has nothing for it."""
        return [item_id for item_id, _ in self.rankings.get(query_id, ())]

    def __len__(self) -> int:
        return len(self.rankings)

    def __iter__(self) -> Iterator[str]:
        return iter(self.rankings)

    def __getitem__(self, query_id: str) -> Ranking:
        return self.rankings[query_id]

    def __str__(self) -> str:
        return f"run {self.name}: {len(self):,} queries, up to {self.depth:,} items each"


def _best_first(hit: tuple[str, float]) -> tuple[float, str]:
    item_id, score = hit
    return -score, item_id


def _checked(name: str, query_id: str, items: Sequence[tuple[str, float]]) -> Ranking:
    where = f"{name}, query {query_id}"
    ranking = [(item_id, float(score)) for item_id, score in items]
    for rank, (_, score) in enumerate(ranking, start=1):
        if not math.isfinite(score):
            raise MismatchError(
                f"{where}, rank {rank}: score {score} is no finite number; the retriever must give one"
            )
    for rank, ((_, before), (_, after)) in enumerate(pairwise(ranking), start=2):
        if after > before:
            raise MismatchError(
                f"{where}, rank {rank}: score {after} follows {before}; the best item must come first"
            )
    for item_id, times in Counter(item_id for item_id, _ in ranking).items():
        if times > 1:
            raise MismatchError(
                f"{where}: item {item_id} is ranked {times} times; the retriever must give it once"
            )
    return sorted(ranking, key=_best_first)


def _parse(lines: Iterable[str], path: Path) -> tuple[str, dict[str, dict[str, float]]]:
    """Read lines into the tag and {query_id: {item_id: score}}; raise with all faults found, up to 20."""
    scores: dict[str, dict[str, float]] = {}
    faults: list[str] = []
    first_tag = ""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            query_id, item_id, score, tag = _parse_line(line)
            first_tag = first_tag or tag
            if tag != first_tag:
                raise ValueError(f"tag `{tag}` after `{first_tag}`; a file holds one run")
            if item_id in scores.setdefault(query_id, {}):
                raise ValueError(f"item {item_id} is there twice for query {query_id}; name each item once")
            scores[query_id][item_id] = score
        except ValueError as fault:
            faults.append(f"line {number}: {fault}")
            if len(faults) == MOST_FAULTS:
                break
    if faults:
        raise DataError(f"{path}, " + "; ".join(faults))
    return first_tag, scores


def _parse_line(line: str) -> tuple[str, str, float, str]:
    fields = line.split()
    if len(fields) != 6:
        raise ValueError(f"has {len(fields)} fields; expected `query_id Q0 item_id rank score tag`")
    query_id, _, item_id, rank, raw, tag = fields
    if not rank.isascii() or not rank.isdigit():
        raise ValueError(f"rank `{rank}` is no whole number")
    try:
        score = float(raw)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise ValueError(f"score `{raw}` is no finite number")
    return query_id, item_id, score, tag


def _refuse_spaces(word: str, what: str, remedy: str) -> None:
    if not word or word.split() != [word]:
        raise DataError(f"{what}: a TREC run file cannot hold an empty word or one with a space; {remedy}")
