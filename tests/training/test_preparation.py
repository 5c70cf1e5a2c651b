"""What is settled before a training run is started, and that nothing is written yet."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cxrshort.compute import Compute
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.people import hash_people
from cxrshort.training import recipes
from cxrshort.training.inputs import TrainingJob
from cxrshort.training.preparation import attach_masks, count_unused, cut_folds, find_segmenter, make_task, prepare
from cxrshort.training.teacher import Teacher

from .tiny import tiny_dataset

CPU = Compute("cpu", "fp32", 1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Return 48 images of 24 persons, half of them in train; beside them lies a file of masks, one quarter each."""
    folder = tiny_dataset(tmp_path_factory.mktemp("prepared") / "tiny", size=16)
    masks = np.zeros((48, 16, 16), bool)
    masks[:, :8, :8] = True
    np.save(folder / "masks-of-mine.npy", masks)
    return load_dataset(str(folder))


def job(data: Dataset, folder: Path, **overrides: Any) -> TrainingJob:
    recipe = recipes.load_recipe("standard", overrides=overrides)
    return TrainingJob(data, "small-cnn", recipe, 1, 7, folder / "run", CPU)


def test_prepared_model_is_described_by_what_it_will_be_trained_on(data: Dataset, tmp_path: Path) -> None:
    prepared = prepare(job(data, tmp_path, labels="COVID-19", epochs=3, crop=0.5))
    description, manifest = prepared.description, data.manifest
    assert (description.kind, description.architecture, description.labels) == (
        "classifier",
        "small-cnn",
        ("COVID-19",),
    )
    assert (description.dataset, description.dataset_id) == ("tiny", data.dataset_id)
    assert (description.replicate, description.seed, description.training) == (
        1,
        7,
        "erm, epochs=3, labels=COVID-19, crop=0.5",
    )
    assert (description.spec.size, description.spec.crop) == (16, 0.5)
    assert (description.recipe["epochs"], description.recipe["precision"]) == (3, "fp32")
    assert description.pixels == {"size": 16, "fit": "crop"}
    by_fold = {split: people["person_id"].tolist() for split, people in manifest.groupby("split_1")}
    for split in ("train", "val", "test"):
        expected = len(set(by_fold[split])) if split != "test" else 0
        assert checkpoint.trained_on(description, by_fold[split]) == expected
    assert (prepared.needs_masks, prepared.segmenter, prepared.teacher) == (False, None, None)
    assert list(tmp_path.iterdir()) == []


def test_model_starts_from_the_seed_as_if_nothing_had_been_tried_on_it(data: Dataset, tmp_path: Path) -> None:
    prepared = prepare(job(data, tmp_path))
    expected = factory.build_model(prepared.description, seed=7).state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in prepared.model.state_dict().items())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"augment": "rotte"}, "'rotte' is not a known augmentation"),
        ({"method": "pgi", "group": "view", "epochs": 1},
         "--epochs is '1', and the first 1 of 'pgi' are warm-up epochs"),
        ({"method": "rrr"}, "'rrr' needs masks of where evidence may lie"),
        ({"method": "group-dro"}, "'group-dro' needs groups"),
        ({"batch_size": 25}, "--batch-size is '25', and the training fold has 24 images"),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit_together_are_refused(data: Dataset, tmp_path: Path, overrides, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        prepare(job(data, tmp_path, **overrides))
    assert caught.value.message.startswith(message)


def test_teacher_of_no_use_is_refused(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'erm' has no use for a teacher"):
        prepare(job(data, tmp_path), teacher=Teacher(torch.nn.Identity()))


def test_masks_of_the_recipes_file_are_those_of_the_dataset(data: Dataset) -> None:
    assert attach_masks(data, recipes.load_recipe("standard")) is data
    path = data.path.parent / "masks-of-mine.npy"
    attached = attach_masks(data, replace(recipes.load_recipe("standard"), mask_file=str(path)))
    assert attached.mask_file == path and attached.has_mask.all() and not data.has_mask.any()
    assert (attached.masks.take([3])[0] > 0).sum() == 64


def test_run_that_needs_masks_has_those_of_the_file(data: Dataset, tmp_path: Path) -> None:
    prepared = prepare(
        job(data, tmp_path, method="rrr", mask_file=str(data.path.parent / "masks-of-mine.npy"), labels="COVID-19")
    )
    assert prepared.needs_masks and prepared.folds.train.mask_file is not None


def test_labels_that_nobody_gave_are_counted_where_they_are_read_as_negative(data: Dataset) -> None:
    manifest = data.manifest
    empty = int(manifest.loc[manifest["split_0"] == "train", "Edema"].isna().sum())
    assert empty > 0
    for how, expected in (("mask", 0), ("zero", empty)):
        recipe = recipes.load_recipe("standard", overrides={"empty_labels": how})
        folds = cut_folds(data, recipe, replicate=0, explicit_label=False)
        assert count_unused(folds) == {"empty_labels_read_as_0": expected}


def test_images_without_a_mask_are_counted_for_a_segmenter(data: Dataset) -> None:
    recipe = recipes.load_recipe("standard", overrides={"task": "masks"})
    masked = attach_masks(data, replace(recipe, mask_file=str(data.path.parent / "masks-of-mine.npy")))
    assert masked.manifest["split_0"].iloc[0] == "train"
    masked.manifest.loc[masked.manifest.index[:1], "mask_row"] = None
    folds = cut_folds(masked, recipe, replicate=0, explicit_label=False)
    assert count_unused(folds) == {"images_without_masks": {"train": 1, "val": 0}}


def test_positives_weigh_as_much_as_negatives_or_as_the_recipe_says(data: Dataset) -> None:
    def weights(**overrides: Any) -> tuple[float, ...]:
        recipe = recipes.load_recipe("standard", overrides=overrides)
        return make_task(cut_folds(data, recipe, replicate=0, explicit_label=False), recipe).weights

    train = data.manifest[data.manifest["split_0"] == "train"]
    counts = {label: train[label].value_counts() for label in ("COVID-19", "Edema")}
    assert weights() == ()
    assert weights(class_weights=True) == pytest.approx([counts[count][0] / counts[count][1] for count in counts])
    assert weights(label_weights="Edema=3") == (1.0, 3.0)


def segmenter(folder: Path, *, people: list[str]) -> str:
    description = Description("segmenter", "unet-small", ("mask",), InputSpec(32), training_people=hash_people(people))
    checkpoint.save_model(
        factory.build_model(description, seed=0), folder / "model.safetensors", description=description
    )
    return str(folder / "model.safetensors")


def test_segmenter_that_saw_test_patients_may_give_masks_but_no_background(data: Dataset, tmp_path: Path) -> None:
    manifest = data.manifest
    tested = manifest.loc[manifest["split_1"] == "test", "person_id"].tolist()
    standard = recipes.load_recipe("standard")
    assert find_segmenter(data, standard, replicate=1) is None
    masking = replace(standard, method="rrr", segmenter=segmenter(tmp_path, people=tested[:1]))
    assert find_segmenter(data, masking, replicate=1)[1].kind == "segmenter"
    with pytest.raises(DataError, match="was trained on 1 of the 6 test patients of 'split_1'"):
        find_segmenter(data, replace(masking, method="erm", background="black"), replicate=1)
    assert find_segmenter(data, replace(masking, method="erm", background="black"), replicate=0)


def test_background_needs_a_segmenter_that_a_model_file_can_hold(data: Dataset) -> None:
    recipe = replace(recipes.load_recipe("standard"), segmenter="py:a:b?size=16&range=0..1", background="black")
    with pytest.raises(UsageError) as caught:
        find_segmenter(data, recipe, replicate=0)
    assert caught.value.message == (
        "--background black keeps the segmenter in the model file, and 'py:a:b?size=16&range=0..1' is code"
    )
