from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from smar.market.fashion import FASHION_TYPES
from smar.market.figure import Look
from smar.market.general import GENERAL_TYPES
from smar.market.goods import DRAWINGS, draw_goods
from smar.market.palette import COLOURS
from smar.market.wardrobe import draw_fashion


def a_look(name: str, colour: str = "navy", pattern: str = "plain") -> Look:
    kind = next(kind for kind in FASHION_TYPES if kind.name == name)
    first = [
        options[0] if options else "" for options in (kind.fits, kind.sleeves, kind.necklines, kind.lengths)
    ]
    return Look(name, colour, pattern, kind.materials[0], *first, kind.audiences[0])


def pixels(jpeg: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB")).astype(float)


def middle(jpeg: bytes) -> np.ndarray:
    """The typical colour in the middle of a picture, where the garment lies."""
    image = pixels(jpeg)
    height, width, _ = image.shape
    patch = image[int(height * 0.4) : int(height * 0.6), int(width * 0.4) : int(width * 0.6)]
    return np.median(patch.reshape(-1, 3), axis=0)


def test_there_are_twelve_fashion_types_and_eight_general_ones() -> None:
    assert len(FASHION_TYPES) >= 12
    assert len(GENERAL_TYPES) >= 8


@pytest.mark.parametrize("kind", FASHION_TYPES, ids=lambda kind: kind.name)
def test_every_fashion_type_can_be_drawn_with_every_option(kind: object) -> None:
    kind = next(known for known in FASHION_TYPES if known is kind)
    chance = np.random.default_rng(0)
    for number in range(
        max(len(kind.fits), len(kind.sleeves), len(kind.necklines), len(kind.lengths), len(kind.patterns))
    ):
        options = (kind.patterns, kind.materials, kind.fits, kind.sleeves, kind.necklines, kind.lengths)
        pattern, *rest = [choices[number % len(choices)] if choices else "" for choices in options]
        picture = pixels(draw_fashion(Look(kind.name, "red", pattern, *rest), chance))
        assert picture.std() > 15, "an empty table"


@pytest.mark.parametrize("shape", DRAWINGS)
def test_every_shape_of_goods_can_be_drawn(shape: str) -> None:
    picture = pixels(draw_goods(shape, np.random.default_rng(1)))
    assert picture.shape == (224, 224, 3)
    assert picture.std() > 10


def test_every_general_type_has_a_drawing() -> None:
    assert {kind.shape for kind in GENERAL_TYPES} == set(DRAWINGS)


@pytest.mark.parametrize("colour", COLOURS, ids=lambda colour: colour.name)
def test_a_plain_jumper_shows_its_own_colour_more_than_any_other(colour: object) -> None:
    known = next(known for known in COLOURS if known is colour)
    seen = np.mean(
        [middle(draw_fashion(a_look("jumper", known.name), np.random.default_rng(n))) for n in range(3)], 0
    )
    distance = {other.name: float(np.abs(seen - np.array(other.rgb)).sum()) for other in COLOURS}
    assert sorted(distance, key=distance.__getitem__).index(known.name) <= 1


def test_two_colours_of_one_design_differ_in_the_pixels() -> None:
    red = draw_fashion(a_look("dress", "red"), np.random.default_rng(5))
    blue = draw_fashion(a_look("dress", "blue"), np.random.default_rng(5))
    assert np.abs(middle(red) - middle(blue)).sum() > 100


def test_stripes_make_a_picture_busier_than_plain_cloth() -> None:
    plain = pixels(draw_fashion(a_look("t-shirt", "white"), np.random.default_rng(2)))
    striped = pixels(draw_fashion(a_look("t-shirt", "white", "striped"), np.random.default_rng(2)))
    assert np.abs(np.diff(striped, axis=0)).mean() > 1.5 * np.abs(np.diff(plain, axis=0)).mean()


def test_the_main_colour_covers_the_most_of_every_pattern() -> None:
    for pattern in ("striped", "checked", "dotted", "floral", "animal", "melange"):
        seen = middle(draw_fashion(a_look("shirt", "red", pattern), np.random.default_rng(4)))
        assert seen[0] > seen[1] + 40, pattern


def test_no_two_pictures_of_one_look_are_the_same() -> None:
    look = a_look("coat")
    assert draw_fashion(look, np.random.default_rng(1)) != draw_fashion(look, np.random.default_rng(2))
