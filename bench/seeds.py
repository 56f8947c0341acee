"""Is SMAR better than text only and image only, and the gate than none, whatever the seed? Writes results/seeds.json.

Trains one model a seed and fusion kind by one configuration, judges each on a shop's judged queries, and compares
query by query, over the mean of the seeds. Trained models are kept, so that a second call goes on with the rest.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from machine import describe

import smar
from smar.evaluation.compare import Difference
from smar.experiment.runs import SUMMARY, open_run
from smar.experiment.train import train
from smar.files import write_text
from smar.retrieval.engine import SearchEngine

RESULT = Path(__file__).parents[1] / "results" / "seeds.json"
MEASURES = ["R@50", "nDCG@10"]
SMAR_MODES = ("auto", "always", "never", "soft")


def main() -> None:
    """Train what is missing, judge everything, write and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shop", type=Path)
    parser.add_argument("--config", type=Path, default=Path("configs/small.toml"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--split", default="dev")
    parser.add_argument("--runs", type=Path, default=Path("runs/seeds"))
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    shop = smar.Shop.open(options.shop)
    config = smar.ExperimentConfig.load(options.config)
    described = describe("torch", "transformers")
    judged = [
        judge_seed(shop, config, seed, options.split, options.runs / str(seed))
        for seed in range(options.seeds)
    ]
    result = {
        "question": "Is SMAR better than one modality, and its gate than none, over several seeds?",
        "shop": shop.folder.name,
        "config": options.config.name,
        "seeds": options.seeds,
        "queries": judged[0]["SMAR auto"].height,
        "means": means(judged),
        "SMAR auto against": compare(judged),
        "machine": described,
    }
    write_text(options.out, json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


def judge_seed(
    shop: smar.Shop, config: smar.ExperimentConfig, seed: int, split: str, home: Path
) -> dict[str, pl.DataFrame]:
    """Values per query [query_id, department, measures] of every contender of one seed."""
    values = {}
    for kind in ("cross_attention", "text", "image"):
        run = home / kind
        if not (run / SUMMARY).exists():
            train(shop, variant(config, kind, seed), run, resume=run.exists())
        engine = SearchEngine.build(open_run(run).model, shop.catalog, config.index)
        if kind == "cross_attention":
            contenders = {f"SMAR {mode}": engine.with_image_mode(mode) for mode in SMAR_MODES}
        else:
            contenders = {f"{kind} only": engine}
        for name, contender in contenders.items():
            report = smar.evaluate(contender, shop.queries(split), shop.qrels(split), MEASURES)
            values[name] = report.per_query
    return values


def variant(config: smar.ExperimentConfig, kind: str, seed: int) -> smar.ExperimentConfig:
    """The configuration with another fusion and seed; a model of one kind of vector learns that one task."""
    changed = config.model_dump()
    changed["model"] |= {"seed": seed}
    changed["model"]["fusion"] |= {"kind": kind}
    changed["pretraining"]["loop"] |= {"seed": seed}
    changed["adaptation"]["loop"] |= {"seed": seed}
    if kind != "cross_attention":
        changed["pretraining"] |= {"alpha": 0.0, "beta": 0.0}
    return smar.ExperimentConfig.model_validate(changed)


def means(judged: list[dict[str, pl.DataFrame]]) -> dict[str, Any]:
    """Each contender's measures, seed by seed and by department over all seeds."""
    found: dict[str, Any] = {}
    for name in judged[0]:
        tables = [seed[name] for seed in judged]
        together = pl.concat(tables)
        found[name] = {
            "overall": {measure: round(together[measure].mean(), 4) for measure in MEASURES},
            "by seed": {
                measure: [round(table[measure].mean(), 4) for table in tables] for measure in MEASURES
            },
            "by department": {
                row["department"]: {measure: round(row[measure], 4) for measure in MEASURES}
                for row in together.group_by("department")
                .agg(pl.col(MEASURES).mean())
                .sort("department")
                .to_dicts()
            },
        }
    return found


def compare(judged: list[dict[str, pl.DataFrame]]) -> dict[str, Any]:
    """How far the gated model lies above each other contender, paired by query, over the mean of the seeds."""
    found: dict[str, Any] = {}
    for name in judged[0]:
        if name == "SMAR auto":
            continue
        for measure in MEASURES:
            ours, theirs = (
                np.mean([seed[which][measure].to_numpy() for seed in judged], axis=0)
                for which in ("SMAR auto", name)
            )
            found.setdefault(name, {})[measure] = asdict(Difference.build(theirs, ours))
    return found


if __name__ == "__main__":
    main()
