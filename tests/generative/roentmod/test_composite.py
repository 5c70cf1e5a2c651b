"""Composites: the edit inside, the source outside, byte for byte."""

from pathlib import Path

import numpy as np
import pytest

from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.generative.roentmod.composite import blend, open_composite, soft_mask
from cxrshort.verbs.build_dataset import build_dataset

from ...training.tiny import tiny_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("phantoms") / "p"
    build_dataset("phantom-III", out=folder, number_of_images=2, size=32, jobs=1, replicates=1)
    return load_dataset(str(folder))


def test_weights_are_1_inside_and_fall_to_0_over_the_edge(data: Dataset) -> None:
    composite = open_composite(data, ["lungs", "heart"], edge=0.1)
    assert composite is not None and data.masks is not None
    names = data.manifest["image_id"].tolist()
    (first, again) = composite.weights([names[0], names[0]])
    assert first is not None and again is not None
    inside = (data.masks.take([0])[0] & (1 | 2)) > 0
    assert (first[inside] == 1).all() and first.min() == 0 and ((first > 0) & (first < 1)).any()
    np.testing.assert_array_equal(first, again)


def test_hard_edge_has_no_value_between() -> None:
    inside = np.zeros((8, 8), bool)
    inside[2:4, 2:4] = True
    np.testing.assert_array_equal(soft_mask(inside, edge=0), inside)


def test_blend_keeps_the_bytes_of_both_sides() -> None:
    rng = np.random.default_rng(0)
    source, edit = rng.integers(0, 256, (2, 8, 8), dtype=np.uint8)
    weight = np.zeros((8, 8), np.float32)
    weight[:, 4:] = 1
    weight[:, 3] = 0.5
    mixed = blend(source, edit, weight)
    np.testing.assert_array_equal(mixed[:, :3], source[:, :3])
    np.testing.assert_array_equal(mixed[:, 4:], edit[:, 4:])
    np.testing.assert_allclose(mixed[:, 3], (source[:, 3].astype(float) + edit[:, 3]) / 2, atol=0.5)


def test_nothing_asked_is_no_composite_and_the_rest_is_refused(tmp_path: Path, data: Dataset) -> None:
    assert open_composite(data, [], edge=0.02) is None
    with pytest.raises(UsageError, match="--edge is '0.3', it must be from 0 to 0.25"):
        open_composite(data, ["lungs"], edge=0.3)
    with pytest.raises(UsageError, match="'lung' is not a known structure of this dataset's masks"):
        open_composite(data, ["lung"], edge=0.02)
    tiny_dataset(tmp_path / "films", name="films", people=4, size=16)
    with pytest.raises(DataError, match="films has no masks, which --inside needs"):
        open_composite(load_dataset(str(tmp_path / "films")), ["lungs"], edge=0.02)


def test_identity_names_structures_and_edge(data: Dataset) -> None:
    identities = set()
    for structures in (["lungs"], ["lungs", "heart"]):
        for edge in (0.0, 0.1):
            composite = open_composite(data, structures, edge=edge)
            assert composite is not None
            identities.add(composite.identity)
    assert len(identities) == 4
