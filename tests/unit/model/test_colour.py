from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from smar.model.encoders.colour import (
    BINS,
    CELL_WIDTH,
    HISTOGRAM_WIDTH,
    cell_colours,
    colour_histogram,
    product_weights,
    read_colours,
)

RED, BLUE, WHITE, GREY = (200, 20, 30), (20, 40, 190), (255, 255, 255), (128, 128, 128)


def shirt(
    colour: tuple[int, int, int], shift: int = 0, ground: tuple[int, int, int] = WHITE, size: int = 112
) -> Tensor:
    """A shirt drawn on a plain ground, as bytes [height width 3]."""
    image = Image.new("RGB", (size, size), ground)
    outline = [
        (30, 25),
        (82, 25),
        (100, 45),
        (88, 58),
        (80, 50),
        (80, 95),
        (32, 95),
        (32, 50),
        (24, 58),
        (12, 45),
    ]
    ImageDraw.Draw(image).polygon(
        [((x + shift) * size // 112, y * size // 112) for x, y in outline], fill=colour
    )
    return torch.from_numpy(np.array(image))


def unit(pixels: Tensor) -> Tensor:
    return pixels.float() / 255


def test_the_background_weighs_nothing_and_the_product_everything() -> None:
    weights = product_weights(unit(torch.stack([shirt(RED), shirt(RED, ground=GREY)])))
    for of_one in weights:
        assert of_one[:20].max() == 0
        assert of_one[60, 56] == 1
        assert of_one[92, 56] == 1


def test_a_tint_close_to_the_background_weighs_in_between() -> None:
    pixels = shirt((255 - 23, 255, 255))
    assert product_weights(unit(pixels)[None])[0, 60, 56].item() == pytest.approx(
        (23 / 255 - 0.06) / 0.06, abs=1e-4
    )


def test_a_product_that_leaves_the_picture_at_the_bottom_does_not_become_the_background() -> None:
    pixels = shirt(BLUE)
    pixels[60:, 10:100] = torch.tensor(BLUE, dtype=torch.uint8)
    weights = product_weights(unit(pixels)[None])[0]
    assert weights[-1, 50] == 1
    assert weights[0, 0] == 0


@pytest.mark.parametrize("specks", [0, 20])
def test_a_picture_of_almost_one_colour_counts_every_pixel(specks: int) -> None:
    pixels = torch.full((112, 112, 3), 90, dtype=torch.uint8)
    pixels[50, 50 : 50 + specks] = 255
    assert (product_weights(unit(pixels)[None]) == 1).all()


def test_a_colour_on_a_bin_falls_into_that_bin_only() -> None:
    colours = torch.tensor([1.0, 0.0, 0.4]).expand(1, 4, 4, 3)
    histogram = colour_histogram(colours, torch.ones(1, 4, 4)).reshape(BINS, BINS, BINS)
    assert histogram[5, 0, 2].item() == pytest.approx(1, abs=1e-5)
    assert histogram.sum().item() == pytest.approx(1, abs=1e-5)


def test_a_colour_between_bins_is_dealt_out_by_nearness() -> None:
    colours = torch.tensor([0.05, 0.0, 1.0]).expand(1, 2, 2, 3)
    histogram = colour_histogram(colours, torch.ones(1, 2, 2)).reshape(BINS, BINS, BINS)
    assert histogram[0, 0, 5].item() == pytest.approx(0.75, abs=1e-5)
    assert histogram[1, 0, 5].item() == pytest.approx(0.25, abs=1e-5)


def test_pixels_count_by_their_weight() -> None:
    colours = torch.tensor([[[[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]]])
    histogram = colour_histogram(colours, torch.tensor([[[0.25, 0.75]]]))
    assert histogram[0, 0].item() == pytest.approx(0.25)
    assert histogram[0, -1].item() == pytest.approx(0.75)


def test_a_cell_tells_its_mean_its_deviation_and_its_share() -> None:
    colours = torch.zeros(1, 4, 4, 3)
    colours[0, :2, 2:, 0] = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    weights = torch.zeros(1, 4, 4)
    weights[0, 2:, :2] = 0.5
    cells = cell_colours(colours, weights, 2)
    assert cells.shape == (1, 4, CELL_WIDTH)
    torch.testing.assert_close(cells[0, 1], torch.tensor([0.5, 0, 0, 0.5, 0, 0, 0]))
    torch.testing.assert_close(cells[0, 2], torch.tensor([0.0, 0, 0, 0, 0, 0, 0.5]))


@pytest.mark.parametrize("size", [16, 32, 100, 224, 448])
def test_pictures_of_any_size_have_as_many_colour_numbers(size: int) -> None:
    histogram, cells = read_colours(torch.stack([shirt(RED, size=size), shirt(BLUE, size=size)]), 7)
    assert histogram.shape == (2, HISTOGRAM_WIDTH)
    assert cells.shape == (2, 49, CELL_WIDTH)
    torch.testing.assert_close(histogram.norm(dim=1), torch.ones(2))


def test_shirts_of_two_colours_differ_and_a_shifted_one_stays_alike() -> None:
    pixels = torch.stack([shirt(RED, size=224), shirt(RED, shift=5, size=224), shirt(BLUE, size=224)])
    red, shifted, blue = read_colours(pixels, 7)[0]
    assert red @ shifted > 0.99
    assert red @ blue < 0.2


def test_the_colours_of_a_shirt_are_those_of_the_same_shirt_before_another_wall() -> None:
    white, grey = read_colours(torch.stack([shirt(RED), shirt(RED, ground=GREY)]), 7)[0]
    assert white @ grey > 0.97


def test_a_picture_has_the_same_colours_alone_and_among_others() -> None:
    pixels = torch.stack([shirt(RED), shirt(BLUE), shirt(GREY)])
    histograms, cells = read_colours(pixels, 3)
    for row in range(3):
        histogram, own_cells = read_colours(pixels[row : row + 1], 3)
        torch.testing.assert_close(histogram[0], histograms[row], rtol=0, atol=1e-5)
        torch.testing.assert_close(own_cells[0], cells[row], rtol=0, atol=1e-5)
