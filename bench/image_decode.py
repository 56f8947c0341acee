"""How fast photos are read: `smar.data.images` against plain Pillow, on drawn and on real photos.

    python bench/image_decode.py [--folder shop/images] [--count 200] [--size 224]

Of Pillow: `convert` and `resize`, and `thumbnail`, which reads a JPEG at a reduced scale as ours does. Of OpenCV: the
same two. libjpeg-turbo alone (by simplejpeg) decodes at the smallest scale that suffices and resizes nothing: the
limit of one thread. None of them turns a photo upright, lays it over white or names a broken one. All but "ours in
threads" take one thread. Needs `pip install 'smar[bench]'`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import simplejpeg
from draw import draw
from machine import describe
from PIL import Image, features

from smar.data.images import ImageFault, read_image, read_images
from smar.files import write_text

REPEATS = 5
_REDUCED = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}
OUT = Path(__file__).parent / "results" / "image_decode.json"


def make_photos(folder: Path, count: int, width: int, height: int, suffix: str) -> list[Path]:
    """Write `count` smooth pictures with some grain, as cameras make them."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    bands = 4 if suffix == "png" else 3
    paths = []
    for number in range(count):
        coarse = rng.integers(0, 256, (height // 16, width // 16, bands), dtype=np.uint8)
        smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
        grain = rng.integers(-6, 7, (height, width, 1))
        pixels = np.clip(np.asarray(smooth, dtype=np.int16) + grain, 0, 255).astype(np.uint8)
        paths.append(folder / f"{number}.{suffix}")
        Image.fromarray(pixels).save(paths[-1], quality=88)
    return paths


def pillow_resize(paths: Sequence[Path], size: int) -> None:
    """Decode whole, then resize."""
    for path in paths:
        with Image.open(path) as image:
            np.array(image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC))


def pillow_thumbnail(paths: Sequence[Path], size: int) -> None:
    """Decode at the scale wanted, where the format can."""
    for path in paths:
        with Image.open(path) as image:
            image.thumbnail((size, size), Image.Resampling.BICUBIC)
            np.array(image.convert("RGB"))


def opencv_resize(paths: Sequence[Path], size: int) -> None:
    """Decode whole, then resize."""
    for path in paths:
        _resized(cv2.imread(str(path)), size)


def opencv_reduced(paths: Sequence[Path], size: int) -> None:
    """Decode at the smallest scale that suffices, where the format can."""
    for path in paths:
        with Image.open(path) as image:
            shorter = min(image.size)
        scale = max((by for by in _REDUCED if shorter // by >= size), default=1)
        _resized(cv2.imread(str(path), _REDUCED[scale]), size)


def _resized(photo: np.ndarray | None, size: int) -> None:
    assert photo is not None, "OpenCV cannot read it"
    cv2.resize(photo, (size, size), interpolation=cv2.INTER_AREA)


def decoder_alone(paths: Sequence[Path], size: int) -> None:
    """Decode at the smallest scale that suffices; no other format than JPEG."""
    for path in paths:
        simplejpeg.decode_jpeg(path.read_bytes(), min_height=size, min_width=size)


def ours(paths: Sequence[Path], size: int) -> None:
    """One photo after the other."""
    for path in paths:
        read_image(path, size)


def ours_in_threads(paths: Sequence[Path], size: int) -> None:
    """As many at a time as there are cores."""
    for found in read_images(paths, size, workers=os.cpu_count() or 1):
        if isinstance(found, ImageFault):
            raise SystemExit(found.message)


WAYS: dict[str, Callable[[Sequence[Path], int], None]] = {
    "ours": ours,
    "ours in threads": ours_in_threads,
    "Pillow, whole": pillow_resize,
    "Pillow, reduced": pillow_thumbnail,
    "OpenCV, whole": opencv_resize,
    "OpenCV, reduced": opencv_reduced,
    "libjpeg-turbo alone": decoder_alone,
}


def rates(paths: Sequence[Path], size: int) -> dict[str, list[float]]:
    """Photos a second by each way in each of several rounds, in ascending order, the ways taking turns."""
    ways = {name: way for name, way in WAYS.items() if way is not decoder_alone or paths[0].suffix != ".png"}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way(paths[:1], size)  # what is loaded when it is first needed
    for _ in range(REPEATS):
        for name, way in ways.items():
            began = time.perf_counter()
            way(paths, size)
            found[name].append(round(len(paths) / (time.perf_counter() - began), 1))
    return {name: sorted(each) for name, each in found.items()}


def main() -> None:
    """Measure each kind of photo, print and write the rates."""
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--folder", type=Path, help="a folder of real photos to measure as well")
    options.add_argument(
        "--count", type=int, default=200, help="photos a round (a tenth of it for the large kinds)"
    )
    options.add_argument("--size", type=int, default=224, help="side of the square read")
    options.add_argument("--out", type=Path, default=OUT)
    given = options.parse_args()
    cv2.setNumThreads(1)
    found: dict[str, dict[str, list[float]]] = {}
    described = describe("pillow", "numpy", "opencv-python-headless", "simplejpeg") | {
        "libjpeg-turbo": features.version_feature("libjpeg_turbo")
    }
    with tempfile.TemporaryDirectory() as scratch:
        kinds = {
            "jpeg 256 x 192": make_photos(Path(scratch) / "small", given.count, 256, 192, "jpg"),
            "jpeg 2400 x 1800": make_photos(
                Path(scratch) / "large", max(1, given.count // 10), 2400, 1800, "jpg"
            ),
            "png 1000 x 750, transparent": make_photos(
                Path(scratch) / "png", max(1, given.count // 10), 1000, 750, "png"
            ),
        }
        if given.folder:
            photos = sorted(
                path for path in given.folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg")
            )
            kinds["real jpeg"] = photos[:: max(1, len(photos) // given.count)][: given.count]
        for kind, paths in kinds.items():
            found[kind] = rates(paths, given.size)
            print(kind, {name: statistics.median(each) for name, each in found[kind].items()}, flush=True)
    result = {
        "unit": "photos a second",
        "size": given.size,
        "machine": described,
        "rates": {
            kind: {
                name: {"median": statistics.median(each), "spread": [each[0], each[-1]]}
                for name, each in ways.items()
            }
            for kind, ways in found.items()
        },
    }
    write_text(given.out, json.dumps(result, indent=2) + "\n")
    draw("image_decode", given.out)


if __name__ == "__main__":
    main()
