from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval_fakes import FakeItemArrays, WordModel, little_catalog
from smar.data.catalog import Catalog
from smar.errors import DataError, ModelError
from smar.retrieval.vectors import ItemVectors


@dataclass(frozen=True)
class FixedModel:
    arrays: FakeItemArrays
    fingerprint: str = "fixed"

    def embed_items(self, catalog: Catalog) -> FakeItemArrays:
        return self.arrays

    def item_digests(self, catalog: Catalog) -> NDArray[np.uint64]:
        return np.arange(len(catalog), dtype=np.uint64)


@pytest.fixture
def catalog() -> Catalog:
    return little_catalog()


@pytest.fixture
def arrays(catalog: Catalog) -> FakeItemArrays:
    return WordModel().embed_items(catalog)


def test_built_vectors_carry_the_items_and_whose_they_are(catalog: Catalog) -> None:
    vectors = ItemVectors.build(WordModel(), catalog)
    assert len(vectors) == 6
    assert vectors.dim == 24
    assert vectors.item_ids == catalog.item_ids
    assert vectors.model_fingerprint == WordModel().fingerprint
    assert vectors.catalog_fingerprint == catalog.fingerprint


def test_vectors_come_back_from_disk_as_they_were_and_stay_there(catalog: Catalog, tmp_path: Path) -> None:
    vectors = ItemVectors.build(WordModel(), catalog)
    vectors.save(tmp_path / "vectors")
    back = ItemVectors.load(tmp_path / "vectors")
    assert back.item_ids == vectors.item_ids
    assert (back.model_fingerprint, back.catalog_fingerprint) == (
        vectors.model_fingerprint,
        vectors.catalog_fingerprint,
    )
    for name in ("text", "multimodal", "has_image"):
        assert isinstance(getattr(back, name).base, np.memmap)
        np.testing.assert_array_equal(getattr(back, name), getattr(vectors, name))


def test_a_vector_that_is_not_of_unit_length_is_refused_by_name(
    catalog: Catalog, arrays: FakeItemArrays
) -> None:
    arrays.multimodal[4] *= 1.01
    with pytest.raises(ModelError, match=r"item 'b2' \(row 4\): its multimodal vector has length 1\.01"):
        ItemVectors.build(FixedModel(arrays), catalog)


def test_a_vector_with_a_hole_in_it_is_refused(catalog: Catalog, arrays: FakeItemArrays) -> None:
    arrays.text[2, 3] = np.nan
    with pytest.raises(ModelError, match=r"item 'a3' \(row 2\): its text vector has length nan"):
        ItemVectors.build(FixedModel(arrays), catalog)


def test_an_item_without_an_image_must_have_its_text_vector_bit_for_bit(
    catalog: Catalog, arrays: FakeItemArrays
) -> None:
    arrays.multimodal[1, 0] = np.nextafter(arrays.multimodal[1, 0], np.float32(2))
    with pytest.raises(ModelError, match=r"item 'a2' \(row 1\): has no image"):
        ItemVectors.build(FixedModel(arrays), catalog)


def test_a_row_too_few_is_refused(catalog: Catalog, arrays: FakeItemArrays) -> None:
    with pytest.raises(ModelError, match=r"text is float32 \(5, 24\), expected float32 \(6, 24\)"):
        ItemVectors.build(FixedModel(replace(arrays, text=arrays.text[:5])), catalog)


def test_a_folder_without_vectors_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no readable vectors .* index the shop again"):
        ItemVectors.load(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["vectors.json", "text.npy", "has_image.npy"])
def test_a_damaged_file_of_vectors_is_a_data_error(catalog: Catalog, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "vectors"
    ItemVectors.build(WordModel(), catalog).save(folder)
    (folder / name).write_bytes((folder / name).read_bytes()[:40])
    with pytest.raises(DataError, match="holds no readable vectors"):
        ItemVectors.load(folder)


def test_arrays_of_another_catalogue_do_not_fit(catalog: Catalog, tmp_path: Path) -> None:
    folder = tmp_path / "vectors"
    ItemVectors.build(WordModel(), catalog).save(folder)
    np.save(folder / "has_image.npy", np.zeros(4, np.bool_))
    with pytest.raises(ModelError, match=r"has_image is bool \(4,\), expected bool \(6,\)"):
        ItemVectors.load(folder)
