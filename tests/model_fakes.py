"""A small shop on disk and small models over it, quick enough for every test of model and training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image

from smar.data.shop import Shop
from smar.model.config import ModelConfig
from smar.model.encoders.image import ImageEncoderConfig
from smar.model.encoders.text import TextEncoderConfig
from smar.model.fusion import FusionConfig, FusionKind
from smar.model.smar import SMAR

COLOURS = {"red": (200, 30, 30), "green": (30, 160, 40), "blue": (30, 40, 200), "black": (15, 15, 15)}
THINGS = ("shirt", "dress", "mug")


def small_config(kind: FusionKind = "cross_attention", **settings: object) -> ModelConfig:
    """A model of two new encoder layers; every other one of its settings can be given."""
    given = {
        "text": TextEncoderConfig(name="small", trained="all"),
        "image": ImageEncoderConfig(name="small", image_size=32, trained="none", grid=3),
        "fusion": FusionConfig(kind=kind),
        "dim": 32,
        "lexical": {"dim": 32},
        "heads": 2,
    }
    return ModelConfig(**(given | settings))  # type: ignore[arg-type]


def small_model(kind: FusionKind = "cross_attention", cache: Path | None = None, **settings: object) -> SMAR:
    """A new small model, in evaluation mode."""
    model = SMAR.build(small_config(kind, **settings)).eval()
    if cache is not None:
        model.cache = cache
    return model


def write_shop(folder: Path, copies: int = 4) -> Shop:
    """Coloured things whose titles do not tell the colour, cables without a photo, and clicks on what was meant."""
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    items, clicks = [], []
    for colour, rgb in COLOURS.items():
        for thing in THINGS:
            for copy in range(copies):
                item_id = f"{thing}-{colour}-{copy}"
                pixels = np.full((40, 30, 3), 245, np.uint8)
                pixels[8:32, 6:24] = np.clip(np.array(rgb) + rng.integers(-12, 12, (24, 18, 3)), 0, 255)
                Image.fromarray(pixels).save(folder / "images" / f"{item_id}.png")
                image = f"images/{item_id}.png"
                items.append(
                    {
                        "item_id": item_id,
                        "title": f"{thing} number {copy}",
                        "image": image,
                        "department": "fashion",
                    }
                )
                clicks.append({"query": f"{colour} {thing}", "item_id": item_id, "clicks": 2, "orders": 0})
                clicks.append({"query": f"{thing} in {colour}", "item_id": item_id, "clicks": 1, "orders": 0})
    for metres in range(1, 9):
        items.append(
            {"item_id": f"cable-{metres}", "title": f"cable {metres} m", "image": None, "department": "tools"}
        )
        clicks.append({"query": f"{metres} m cable", "item_id": f"cable-{metres}", "clicks": 3, "orders": 1})
    pl.DataFrame(items).write_parquet(folder / "items.parquet")
    pl.DataFrame(clicks).write_parquet(folder / "clicks.parquet")
    return Shop.open(folder)
