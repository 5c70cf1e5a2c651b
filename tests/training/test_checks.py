"""What is refused before a run is started."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from torch import nn

from cxrshort.dataset import Dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.masks.file import Tally
from cxrshort.models.architecture import Architecture
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.outputs import Task
from cxrshort.models.people import hash_people
from cxrshort.training import checks, recipes
from cxrshort.training.data.folds import Folds
from cxrshort.training.objectives.contract import Needs, Objective, make_objective
from cxrshort.training.teacher import Teacher

STANDARD = recipes.load_recipe("standard")
SPEC = InputSpec(16)
SEGMENTER = (Classifier(nn.Identity(), labels=("mask",), spec=SPEC), Description("segmenter", "unet", ("mask",), SPEC))


def fold(name: str, masks: str) -> Dataset:
    """Return a fold with an image for each letter, which has a mask where the letter is ``m``."""
    rows = pd.DataFrame({"image_id": [f"{name}/{place}" for place in range(len(masks))]})
    rows["mask_row"] = [0 if letter == "m" else None for letter in masks]
    data = Dataset(name, rows)
    data.__dict__["masks"] = object() if "m" in masks else None  # in place of a file
    return data


def folds(train: str = "mmmm", val: str = "mm") -> Folds:
    targets: npt.NDArray[np.float32] = np.zeros((0, 1), np.float32)
    return Folds(fold("train", train), fold("val", val), ("A",), targets, targets, 0)


def refused(function: Any, *arguments: Any, **options: Any) -> tuple[type, str, str]:
    with pytest.raises((DataError, UsageError)) as caught:
        function(*arguments, **options)
    return caught.type, caught.value.message, caught.value.hint


class Asking(Objective):
    """Ask for what a test says."""

    name = "asking"

    def __init__(self, needs: Needs) -> None:
        super().__init__()
        self.needs = needs


@pytest.mark.parametrize(
    ("name", "task", "method", "message", "hint"),
    [
        ("unet", "multilabel", "erm", "'unet' draws masks, it cannot learn labels",
         "cxrshort train --arch unet --target masks"),
        ("resnet18", "masks", "erm", "'resnet18' returns labels, it cannot learn masks", "--arch unet or unet-small"),
        ("resnet18", "multilabel", "multitask",
         "'resnet18' draws no masks, and 'multitask' learns them beside the labels",
         "--arch multitask-unet or multitask-unet-small"),
        ("multitask-unet", "multilabel", "erm",
         "'multitask-unet' draws masks beside its labels, and 'erm' does not teach it to", "--method multitask"),
    ],
)  # fmt: skip
def test_architecture_that_does_not_fit_what_is_learnt_is_refused(name, task, method, message, hint) -> None:
    recipe = replace(STANDARD, task=task, method=method)
    objective = make_objective(method, "", task=Task(task))
    assert refused(checks.find_fitting_architecture, name, recipe, objective) == (UsageError, message, hint)


@pytest.mark.parametrize(
    ("name", "task", "method"),
    [("resnet18", "multilabel", "erm"), ("unet", "masks", "erm"), ("multitask-unet", "multilabel", "multitask")],
)
def test_architecture_that_fits_is_returned(name, task, method) -> None:
    objective = make_objective(method, "", task=Task(task))
    recipe = replace(STANDARD, task=task, method=method)
    assert checks.find_fitting_architecture(name, recipe, objective).name == name


def test_images_smaller_than_a_network_takes_are_refused() -> None:
    architecture = Architecture("net", nn.Identity, "head", minimum_size=33)
    checks.check_size(architecture, InputSpec(33))
    assert refused(checks.check_size, architecture, InputSpec(32)) == (
        UsageError,
        "'net' needs images of 33 pixels, the dataset has 32",
        "build-dataset with --size 33 or more",
    )


def test_batch_of_the_users_own_must_be_filled_and_a_recipes_becomes_smaller() -> None:
    checks.check_batch_fits(replace(STANDARD, batch_size=4), folds())
    checks.check_batch_fits(STANDARD, folds())  # 32, the recipe's own
    assert refused(checks.check_batch_fits, replace(STANDARD, batch_size=5), folds()) == (
        UsageError,
        "--batch-size is '5', and the training fold has 4 images",
        "--batch-size 4 takes all of them at once",
    )


@pytest.mark.parametrize(
    ("recipe", "segmenter", "message"),
    [
        ({"mask_file": "m.npy"}, None, "--mask-file has no use with --method erm"),
        ({}, SEGMENTER, "--segmenter has no use with --method erm"),
    ],
)
def test_masks_without_a_use_are_refused(recipe, segmenter, message) -> None:
    objective = Asking(Needs())
    assert refused(checks.check_masks, objective, folds(), replace(STANDARD, **recipe), segmenter)[:2] == (
        UsageError,
        message,
    )


@pytest.mark.parametrize(
    ("needs", "background", "train", "val", "missing"),
    [
        (Needs(masks=True), "", "m-m-", "mm", "train: 2 of the 4 images in 'train' have no mask, first 'train/1'"),
        (Needs(), "black", "----", "mm", "train: 4 of the 4 images in 'train' have no mask, first 'train/0'"),
        (Needs(), "black", "mmmm", "m-", "val: 1 of the 2 images in 'val' have no mask, first 'val/1'"),
        (Needs(masks=True, predicted_masks=True), "", "mmmm", "-m",
         "val: 1 of the 2 images in 'val' have no mask, first 'val/0'"),
        (Needs(masks=True, validation_masks=True), "", "mmmm", "-m",
         "val: 1 of the 2 images in 'val' have no mask, first 'val/0'"),
    ],
)  # fmt: skip
def test_images_without_a_mask_are_refused(needs, background, train, val, missing) -> None:
    recipe = replace(STANDARD, background=background)
    kind, message, hint = refused(checks.check_masks, Asking(needs), folds(train, val), recipe, None)
    assert (kind, message) == (DataError, missing)
    assert hint == "leave those rows out of the manifest, or give --segmenter MODEL"


def test_objective_refuses_a_fold_without_any_mask_itself() -> None:
    """The objective knows what the masks are for, and says so."""
    assert refused(checks.check_masks, Asking(Needs(masks=True)), folds("----", "--"), STANDARD, None)[:2] == (
        UsageError,
        "'asking' needs masks of where evidence may lie",
    )


@pytest.mark.parametrize(
    ("needs", "background", "val", "segmenter", "expected"),
    [
        (Needs(), "", "--", None, False),
        (Needs(masks=True), "", "--", None, True),  # nothing of validation is judged by its masks
        (Needs(), "black", "mm", None, True),
        (Needs(masks=True), "", "mm", SEGMENTER, True),
    ],
)
def test_run_says_whether_it_needs_masks(needs, background, val, segmenter, expected) -> None:
    recipe = replace(STANDARD, background=background)
    assert checks.check_masks(Asking(needs), folds(val=val), recipe, segmenter) is expected


@pytest.mark.parametrize("judged", [Needs(masks=True, predicted_masks=True), Needs(masks=True, validation_masks=True)])
def test_validation_images_without_any_mask_are_refused_where_they_are_judged_by_them(judged: Needs) -> None:
    assert refused(checks.check_masks, Asking(judged), folds(val="--"), STANDARD, None)[:2] == (
        UsageError,
        "'asking' needs masks of where evidence may lie",
    )


def test_segmenter_takes_the_place_of_masks_that_are_not_there() -> None:
    assert checks.check_masks(Asking(Needs(masks=True)), folds("--", "--"), STANDARD, SEGMENTER)


@pytest.mark.parametrize("epochs", [1, 2])
def test_run_of_nothing_but_warm_up_epochs_is_refused(epochs: int) -> None:
    objective = make_objective("isnet", "warm_up_epochs=2", task=Task())
    checks.check_warm_up(objective, replace(STANDARD, method="isnet", epochs=3))
    recipe = replace(STANDARD, method="isnet", epochs=epochs)
    assert refused(checks.check_warm_up, objective, recipe) == (
        UsageError,
        f"--epochs is '{epochs}', and the first 2 of 'isnet' are warm-up epochs",
        "--epochs 3 or more, or --set warm_up_epochs=N",
    )


def test_teacher_is_there_exactly_where_one_is_needed() -> None:
    needing, without = Asking(Needs(teacher=True)), Asking(Needs())
    checks.check_teacher(needing, Teacher(nn.Identity()))
    checks.check_teacher(without, None)
    assert refused(checks.check_teacher, needing, None)[1:] == (
        "'asking' learns from a teacher, and there is none",
        "cxrshort tea-distill --method asking --teacher MODEL",
    )
    assert refused(checks.check_teacher, without, Teacher(nn.Identity()))[1] == "'asking' has no use for a teacher"


def test_student_sees_whole_images() -> None:
    needing = Asking(Needs(teacher=True))
    assert refused(checks.check_teacher, needing, Teacher(nn.Identity()), background="noise")[1:] == (
        "the recipe's background is 'noise', and a student sees whole images",
        "--background of tea-distill says what the teacher sees",
    )
    checks.check_teacher(Asking(Needs()), None, background="noise")


def test_masks_of_a_file_alone_are_counted(tmp_path) -> None:
    assert checks.count_masks(folds()) is None
    masks = np.zeros((2, 4, 4), bool)
    masks[1, 0, 0] = True
    np.save(tmp_path / "m.npy", masks)
    np.save(tmp_path / "images.npy", np.zeros((2, 4, 4), np.uint8))
    rows = pd.DataFrame({"image_id": ["a", "b"], "cache": str(tmp_path), "cache_row": [0, 1]})
    train = Dataset("I", rows).with_mask_file(tmp_path / "m.npy")
    assert checks.count_masks(replace(folds(), train=train)) == Tally(2, 1, 0)


def test_segmenter_that_saw_test_patients_is_refused() -> None:
    segmenter = replace(SEGMENTER[1], training_people=hash_people(["a", "b", "c"]))
    checks.check_segmenter_people(segmenter, ["x", "y"], replicate=1)
    assert refused(checks.check_segmenter_people, segmenter, ["a", "c", "c", "x"], replicate=1) == (
        DataError,
        "the segmenter was trained on 2 of the 3 test patients of 'split_1'",
        "train the segmenter with --replicate 1, or on another dataset",
    )
