"""The lexical part of vectors: which texts it finds alike, and that it leaves the meaning's part alone."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from model_fakes import small_model
from smar.data.shop import Shop
from smar.files import digest
from smar.model.grams import Grams
from smar.model.lexical import LexicalConfig, LexicalSketch

TITLES = [
    "Everbilt 1/2 in. x 10 ft. copper pipe, type L",
    "Everbilt 3/4 in. x 10 ft. copper pipe, type L",
    "Andersen 4000 storm door, white",
    "Andersen 3000 storm door, white",
    "Moen Banbury kitchen faucet, chrome",
    "Kohler Fairfax kitchen faucet, brushed nickel",
    "Philips LED bulb 60 W, daylight, pack of 16",
]


def sketch_of(dim: int) -> LexicalSketch:
    sketch = LexicalSketch(8, LexicalConfig(dim=dim))
    sketch.measure(Grams.read(TITLES))
    return sketch


def rare_cosines(left: str, sketch: LexicalSketch) -> np.ndarray:
    """Cosines of TF-IDF vectors, computed the long way."""

    def weights(text: str) -> dict[int, float]:
        grams = Grams.read([text])
        return {
            int(gram): float(weight) * float(sketch.rarity[gram])
            for gram, weight in zip(grams.ids, grams.weights, strict=True)
        }

    def cosine(one: dict[int, float], other: dict[int, float]) -> float:
        norms = [sum(weight**2 for weight in side.values()) ** 0.5 for side in (one, other)]
        return sum(weight * other.get(gram, 0) for gram, weight in one.items()) / (norms[0] * norms[1])

    return np.array([cosine(weights(left), weights(title)) for title in TITLES])


def test_a_word_gives_itself_and_its_marked_trigrams_once_with_its_count() -> None:
    grams = Grams.read(["door", "door door", ""])
    assert (grams.starts == [0, 5, 10, 10]).all()
    assert Counter(grams.ids[:5].tolist()) == Counter(grams.ids[5:].tolist())
    np.testing.assert_allclose(grams.weights, [1.0] * 5 + [1 + np.log(2)] * 5)


def test_case_width_and_spaces_do_not_matter_and_sizes_stay_one_word() -> None:
    one, other = Grams.read(["ＤＯＯＲ  1/2-IN"]), Grams.read(["door 1/2-in"])
    np.testing.assert_array_equal(one.ids, other.ids)
    assert len(Grams.read(["1/2"]).ids) == 1 + 3


def test_texts_are_taken_in_the_order_asked_for() -> None:
    grams = Grams.read(["a b", "", "cable", "a b"])
    taken = grams.take(np.array([2, 1, 0, 2]))
    straight = Grams.read(["cable", "", "a b", "cable"])
    np.testing.assert_array_equal(taken.ids, straight.ids)
    np.testing.assert_array_equal(taken.starts, straight.starts)
    assert len(grams.take(np.array([], dtype=np.int64))) == 0


@pytest.mark.parametrize("query", ["copper pipe 3/4", "andersen 4000", "kitchen faucett nickel"])
def test_products_of_sketches_are_close_to_tf_idf_cosines(query: str) -> None:
    wide = sketch_of(8192)
    products = wide(Grams.read(TITLES)) @ wide(Grams.read([query]))[0]
    np.testing.assert_allclose(products.numpy(), rare_cosines(query, wide), atol=4 / 8192**0.5)


@pytest.mark.parametrize(
    ("query", "meant"),
    [("3/4 copper pipe", 1), ("andersen 3000", 3), ("kohlr fairfx fawcet", 5), ("60w philips", 6)],
)
def test_part_numbers_and_misspellings_find_their_item_at_the_default_length(query: str, meant: int) -> None:
    sketch = sketch_of(LexicalConfig().dim)
    assert int((sketch(Grams.read(TITLES)) @ sketch(Grams.read([query]))[0]).argmax()) == meant


def test_codes_are_the_same_on_every_machine() -> None:
    codes = sketch_of(64).codes
    assert set((codes * 8).unique().tolist()) == {-1.0, 1.0}
    assert digest((codes > 0).numpy().tobytes()) == CODES
    assert abs(codes.mean()) < 1e-3


def test_a_text_without_letters_has_no_sketch_and_its_vector_is_still_of_unit_length() -> None:
    sketch = sketch_of(64)
    grams = Grams.read(["***", "door"])
    assert sketch(grams)[0].abs().max() == 0
    meaning = torch.nn.functional.normalize(torch.ones(2, 8), dim=-1)
    for joined in (
        sketch.with_query_words(meaning, sketch(grams)),
        sketch.with_item_words(meaning, sketch(grams)),
    ):
        torch.testing.assert_close(joined.norm(dim=-1), torch.ones(2))


def test_the_meaning_of_a_query_decides_how_much_spelling_counts() -> None:
    sketch = sketch_of(64)
    grams = Grams.read(["door", "door"])
    with torch.no_grad():
        sketch.ratio.weight[0, 0] = 2.0
    meanings = torch.eye(8)[:2]
    first, second = sketch.with_query_words(meanings, sketch(grams))
    assert first[8:].norm() > 2 * second[8:].norm()


def test_a_model_with_spelling_finds_a_part_number_that_one_without_does_not_know(tmp_path: Path) -> None:
    folder = tmp_path / "shop"
    folder.mkdir()
    numbers = [f"kx{number}-{number % 7}b" for number in range(1000, 1200)]
    pl.DataFrame(
        {"item_id": numbers, "title": [f"spare part {number} for mixers" for number in numbers]}
    ).write_csv(folder / "items.csv")
    catalog = Shop.open(folder).catalog
    found = {}
    for dim in (0, 256):
        model = small_model("text", lexical={"dim": dim})
        items = model.read_items(catalog)
        if model.lexical is not None:
            model.lexical.measure(items.texts.grams)
        scores = model.embed_queries(numbers).vectors @ model.embed_source(items).text.T
        ids = catalog.table["item_id"].to_numpy()
        found[dim] = float((ids[scores.argmax(axis=1)] == np.array(numbers)).mean())
    assert found[256] > 0.95
    assert found[0] < 0.5


def test_a_model_of_images_alone_has_no_spelling() -> None:
    model = small_model("image")
    assert model.lexical is None
    assert model.vector_dim == model.config.dim


CODES = "3c3c33913144b0f3"
