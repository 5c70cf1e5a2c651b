"""The phantom as an editor: exact counterfactuals, masks that fit, and refusal of what is no phantom."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort.columns import MASK_BITS
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.datasets.phantom.drawing import draw_phantom
from cxrshort.datasets.phantom.parameters import Phantom, with_finding
from cxrshort.errors import DataError, UsageError
from cxrshort.generative.roentmod.contract import Prompt
from cxrshort.generative.roentmod.phantom import PhantomEditor, check_labels, open_editor
from cxrshort.generative.roentmod.plan import plan_edits
from cxrshort.images.raster import ImageError
from cxrshort.verbs.build_dataset import build_dataset

from ...training.tiny import tiny_dataset

SIZE = 64
PROMPTS = [Prompt("mass", "left upper lobe mass", "Mass"), Prompt("heart", "big", "Cardiomegaly"), Prompt("sham", "no")]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("phantoms") / "p"
    build_dataset("phantom-III", out=folder, number_of_images=4, size=SIZE, jobs=1, replicates=1)
    return load_dataset(str(folder))


def edits(
    data: Dataset, editor: PhantomEditor, *, repetitions: int = 1
) -> tuple[dict[tuple[str, str, int], np.ndarray], pd.DataFrame]:
    """Return the pictures by source, edit and repetition, and their rows."""
    rows = plan_edits(data.manifest, PROMPTS, repetitions=repetitions)
    rows = rows[rows["edit"] != "round trip"].reset_index(drop=True)
    sources = data.pixels.take(pd.Index(data.manifest["image_id"]).get_indexer(rows["source_image_id"]))
    names = zip(rows["source_image_id"], rows["edit"], rows["edit_repetition"], strict=True)
    pictures = dict(zip(names, editor(sources, rows), strict=True))
    assert not any(isinstance(picture, ImageError) for picture in pictures.values())
    return {name: picture.pixels for name, picture in pictures.items()}, rows  # type: ignore[union-attr]


def phantoms(data: Dataset) -> dict[str, Phantom]:
    lines = (Path(data.manifest["cache"].iloc[0]) / "phantoms.jsonl").read_text().splitlines()
    return {phantom.phantom_id: phantom for phantom in map(Phantom.from_json, lines)}


def test_with_kept_noise_the_edit_is_the_phantom_with_the_finding_and_the_sham_is_the_source(data: Dataset) -> None:
    pictures, _ = edits(data, open_editor(data=data, severity=0.5, noise="kept"))
    for (name, phantom), source in zip(phantoms(data).items(), data.pixels.take(range(4)), strict=True):
        expected = draw_phantom(with_finding(phantom, "Mass", 0.5), size=SIZE).pixels
        np.testing.assert_array_equal(pictures[name, "mass", 0], expected)
        np.testing.assert_array_equal(pictures[name, "sham", 0], source)


def test_new_noise_is_of_image_and_repetition_so_that_the_sham_is_a_true_pair(data: Dataset) -> None:
    pictures, _ = edits(data, open_editor(data=data), repetitions=2)
    for (name, _), source in zip(phantoms(data).items(), data.pixels.take(range(4)), strict=True):
        sham, again = pictures[name, "sham", 0], pictures[name, "sham", 1]
        assert (sham != source).any() and (sham != again).any()
        assert np.abs(sham.astype(int) - source).mean() < 3  # noise, and no other anatomy
        for number, control in ((0, sham), (1, again)):
            changed = pictures[name, "mass", number] != control
            assert changed.any() and changed.mean() < 0.25  # a mass is small; outside it not a pixel differs


def test_an_edit_is_a_phantom_again_that_draws_the_same_picture(data: Dataset) -> None:
    editor = open_editor(data=data)
    pictures, rows = edits(data, editor)
    for _, row in rows.iterrows():
        phantom = Phantom.from_json(editor.edited(row).to_json())
        assert phantom.phantom_id == row["image_id"]
        picture = pictures[row["source_image_id"], row["edit"], 0]
        np.testing.assert_array_equal(draw_phantom(phantom, size=SIZE).pixels, picture)


def test_masks_follow_a_larger_heart_and_nothing_else(data: Dataset) -> None:
    editor = open_editor(data=data)
    _, rows = edits(data, editor)
    assert data.masks is not None
    original = data.masks.take(range(1))[0]
    of_first = rows[rows["source_image_id"] == data.manifest["image_id"].iloc[0]]
    masks = dict(zip(of_first["edit"], editor.masks(of_first), strict=True))
    np.testing.assert_array_equal(masks["mass"], original)
    np.testing.assert_array_equal(masks["sham"], original)
    heart = MASK_BITS["heart"]
    assert ((masks["heart"] & heart) > 0).sum() > ((original & heart) > 0).sum()


def test_round_trip_is_the_identity(data: Dataset) -> None:
    sources = data.pixels.take(range(4))
    trips = open_editor(data=data).round_trip(sources)
    np.testing.assert_array_equal([trip.pixels for trip in trips], sources)


def test_identity_changes_with_severity_and_noise(data: Dataset) -> None:
    editors = [open_editor(data=data, severity=s, noise=n) for s in (0.5, 0.7) for n in ("kept", "redrawn")]
    assert len({editor.identity for editor in editors}) == 4


def test_a_picture_that_its_parameters_do_not_draw_is_refused(data: Dataset) -> None:
    editor = open_editor(data=data)
    rows = plan_edits(data.manifest.iloc[:1], PROMPTS).iloc[:1]
    (outcome,) = editor(255 - data.pixels.take([0]), rows)
    assert isinstance(outcome, ImageError) and outcome.reason == "not a phantom's own picture"


def test_other_datasets_are_no_phantoms(tmp_path: Path, data: Dataset) -> None:
    tiny_dataset(tmp_path / "films", name="films", people=4, size=16)
    with pytest.raises(DataError, match=r"films is no phantom dataset: there is no phantoms\.jsonl in"):
        open_editor(data=load_dataset(str(tmp_path / "films")))
    renamed = replace(data, manifest=data.manifest.assign(image_id=[f"x/{row}" for row in range(4)]))
    with pytest.raises(DataError, match="'x/0' is no phantom"):
        open_editor(data=renamed)


def test_values_out_of_range_and_unknown_findings_are_refused(data: Dataset) -> None:
    for severity in (0.0, 1.5):
        with pytest.raises(UsageError, match="it must be above 0 and at most 1"):
            open_editor(data=data, severity=severity)
    with pytest.raises(UsageError, match="noise is 'none'"):
        open_editor(data=data, noise="none")
    check_labels({"mass": "Mass"})
    with pytest.raises(UsageError) as caught:
        check_labels({"mass": "Mass", "scoliosis": ""})
    assert caught.value.message == "the phantom has no finding 'scoliosis'"
