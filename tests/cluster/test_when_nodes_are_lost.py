"""A query node is killed, and started again, while eight clients search: what they are told is true.

The last of these files: for minutes afterwards the cluster moves its parts about, of which others would miss some.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.conftest import ADDRESS
from cluster.load import RandomModel, clients, nearest_rows, plain_shop, spread
from smar.retrieval.engine import SearchEngine
from smar.retrieval.engines.milvus.address import MilvusAddress
from smar.retrieval.index import IndexConfig
from smar.retrieval.publishing import write_generation

pytestmark = pytest.mark.cluster
MODEL = RandomModel(dim=64)


def test_no_answer_is_called_whole_that_is_not_and_all_is_found_again(
    milvus: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    catalog = plain_shop(20_000)
    address = MilvusAddress.parse(f"{ADDRESS}?shards=2&replicas=2&seconds=5&name=lost")
    write_generation(tmp_path, MODEL, catalog, IndexConfig(kind="hnsw"), cluster=address)
    engine = SearchEngine.open(tmp_path, MODEL, address)
    truth = nearest_rows(engine, 100)
    exact = nearest_rows(SearchEngine.build(MODEL, catalog), 100)
    assert sum(len(ours & theirs) for ours, theirs in zip(truth, exact, strict=True)) >= 970
    with clients(engine, truth) as seen:
        time.sleep(3)
        assert {one.coverage for one in seen.since(0)} == {1.0}
        milvus("kill", "querynode-1")
        killed = seen.now
        # Milvus leaves out most when a node comes back after three quarters of a minute.
        whole_again = seen.wait_until_whole(killed, for_seconds=45)
        milvus("start", "querynode-1")
        started = seen.now
        whole_after_start = seen.wait_until_whole(started, for_seconds=15)
    for name, since, until, whole in (
        ("before", 0, killed, 0),
        ("killed", killed, started, whole_again - killed),
        ("started", started, seen.now, whole_after_start - started),
    ):
        answers = [one for one in seen.answers if since <= one.at < until]
        took = spread([one.took * 1e3 for one in answers])
        partial = [one for one in answers if one.coverage < 1]
        print(
            f"{name}: {len(answers):,} answers, p50 {took[0]:.0f} ms, p99 {took[1]:.0f} ms, most {took[2]:.0f} ms; "
            f"{len(partial)} not whole, the least covered {min((one.coverage for one in answers), default=1):.2f}, "
            f"whole again after {whole:.1f} s"
        )
    wrong = [one for one in seen.answers if one.coverage == 1 and one.recall < 0.9]
    assert not wrong, wrong[:5]
    assert all(one.took < 6 for one in seen.answers)
    assert not [one for one in seen.answers if one.coverage == 0]
    assert all(one.coverage == 1 and one.recall >= 0.9 for one in seen.since(whole_after_start + 0.01))
