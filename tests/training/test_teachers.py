"""Teachers of every kind: what each is shown, what its student has from it, and what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from cxrshort.compute import Compute
from cxrshort.dataset import load_dataset
from cxrshort.errors import CxrshortError, DataError, MissingInputError, UsageError
from cxrshort.models.people import count_people
from cxrshort.models.pipeline import SegmentedClassifier
from cxrshort.models.sources.opening import Reference
from cxrshort.training.recipes import Recipe, load_recipe
from cxrshort.training.recipes.settings import split_text
from cxrshort.training.teachers import (
    StudentOptions,
    TeacherOptions,
    check_teacher_data,
    locate_teacher,
    open_teacher,
    student_recipe,
    teacher_background,
)

from .teacher_files import LABELS, classifier, ensemble_of, masked_dataset, pipeline_of, save, segmenter

FP32 = Compute("cpu", "fp32", 1)
NETWORK = """
from torch import nn

def make():
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
"""
FOREIGN = "py:network_of_mine:make?labels=COVID-19,Edema&size=32&channels=1&range=0..1"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model of each kind that can, or cannot, teach."""
    folder = tmp_path_factory.mktemp("teachers")
    save(classifier(), folder / "plain")
    save(classifier(background="noise", recipe={"mask_bit": "lungs"}), folder / "masked")
    save(classifier(arch="resnet18"), folder / "resnet")
    save(
        pipeline_of(classifier(recipe={"crop": 0.9, "mask_bit": "lungs+heart", "mask_threshold": 0.4})), folder / "pipe"
    )
    save(ensemble_of(1, 2), folder / "ensemble")
    save(segmenter(), folder / "lungs")
    for replicate in (0, 1):
        save(classifier(seed=replicate, replicate=replicate), folder / "series" / f"replicate-{replicate}")
    save(classifier(seed=7, replicate=0), folder / "seeds" / "replicate-0")
    save(classifier(seed=8, replicate=0), folder / "seeds" / "replicate-0-seed-8")
    return folder


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "network_of_mine.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(str(tmp_path))
    return FOREIGN


def locate(folder: Path, name: str, *, replicate: int = 0) -> Reference:
    return locate_teacher(TeacherOptions(str(folder / name)), replicate=replicate)


def recipe_of(folder: Path, name: str, student: StudentOptions | None = None, **options: Any) -> Recipe:
    """Return the recipe of a student of a teacher."""
    teacher = TeacherOptions(str(folder / name), **options)
    return student_recipe(student or StudentOptions("small-cnn"), teacher, locate_teacher(teacher, replicate=0))


def settings_of(recipe: Recipe) -> dict[str, str]:
    return split_text(recipe.settings)


def refusal(*arguments: Any, of: Any, **options: Any) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        of(*arguments, **options)
    return caught.value


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"segmenter": "lungs", "masks": True}, "--segmenter and --masks exclude each other"),
        ({"masks": True, "whole": True}, "--masks and --whole-image exclude each other"),
        ({"background": "purple"}, "'purple' is not a known background"),
        ({"background": "none"}, "'none' is not a known background"),
    ],
)
def test_options_of_a_teacher_that_exclude_each_other_are_refused(options: dict[str, Any], message: str) -> None:
    error = refusal("model", of=TeacherOptions, **options)
    assert isinstance(error, UsageError) and error.message == message


def test_teacher_of_a_replicate_is_the_one_of_the_same_replicate(models: Path) -> None:
    for replicate in (0, 1):
        assert locate(models, "series", replicate=replicate).title == str(models / "series" / f"replicate-{replicate}")
    assert locate(models, "plain", replicate=1).title == str(models / "plain")


def test_replicate_without_a_teacher_or_with_two_is_refused(models: Path) -> None:
    error = refusal(models, "series", of=locate, replicate=2)
    assert error.message == f"'{models / 'series'}' holds no models of replicate 2"
    error = refusal(models, "seeds", of=locate)
    assert error.message == f"'{models / 'seeds'}' holds 2 models of replicate 0"
    assert error.hint == f"name one of them, such as --teacher {models / 'seeds' / 'replicate-0' / 'model.safetensors'}"


def test_segmenter_and_nothing_are_no_teachers(models: Path) -> None:
    error = refusal(models, "lungs", of=locate)
    assert error.message == f"'{models / 'lungs'}' draws masks, it cannot teach labels"
    assert isinstance(refusal(models, "nowhere", of=locate), MissingInputError)


@pytest.mark.parametrize(
    ("name", "options", "background"),
    [
        ("plain", {}, "none"),
        ("plain", {"masks": True}, "noise"),
        ("plain", {"segmenter": "lungs", "background": "black"}, "black"),
        ("ensemble", {}, "none"),
        ("masked", {}, "noise"),
        ("masked", {"background": "black"}, "black"),
        ("masked", {"whole": True}, "none"),
        ("pipe", {}, "noise"),
        ("pipe", {"masks": True}, "noise"),
        ("pipe", {"whole": True}, "none"),
    ],
)
def test_teacher_sees_what_it_was_trained_on_unless_told_otherwise(
    models: Path, name: str, options: dict[str, Any], background: str
) -> None:
    teacher = TeacherOptions(str(models / name), **options)
    assert teacher_background(teacher, locate(models, name).description) == background
    assert settings_of(recipe_of(models, name, **options)).get("background", "none") == background


@pytest.mark.parametrize(("name", "options"), [("plain", {}), ("masked", {"whole": True})])
def test_background_of_whole_images_is_refused(models: Path, name: str, options: dict[str, Any]) -> None:
    teacher = TeacherOptions(str(models / name), background="noise", **options)
    error = refusal(teacher, locate(models, name).description, of=teacher_background)
    assert error.message == "--background is 'noise', and the teacher sees whole images"
    assert error.hint == "--segmenter MODEL or --masks says where the background is"


def test_student_shares_labels_crop_and_masks_with_its_teacher(models: Path) -> None:
    recipe = recipe_of(models, "pipe")
    assert (recipe.labels, recipe.crop, recipe.mask_bit, recipe.mask_threshold) == (
        "COVID-19,Edema",
        0.9,
        "lungs+heart",
        0.4,
    )
    assert recipe_of(models, "pipe", whole=True).mask_bit == "lungs"
    given = StudentOptions("small-cnn", overrides={"mask_bit": "heart", "epochs": None})
    recipe = recipe_of(models, "pipe", given)
    assert (recipe.mask_bit, recipe.epochs) == ("heart", load_recipe("distillation").epochs)


def test_student_shares_the_meaning_of_outputs_and_the_rest_class(tmp_path: Path) -> None:
    facts = {"task": "multiclass", "rest_class": "Others", "empty_labels": "zero"}
    save(classifier(labels=("COVID-19", "Edema", "Others"), recipe=facts), tmp_path / "classes")
    recipe = recipe_of(tmp_path, "classes")
    assert (recipe.labels, recipe.task, recipe.rest_class) == ("COVID-19,Edema", "multiclass", "Others")
    assert (recipe.empty_labels, recipe.select_label) == ("zero", "COVID-19")
    check_teacher_data(
        locate(tmp_path, "classes"), load_dataset(str(masked_dataset(tmp_path / "d"))), recipe, replicate=0
    )


@pytest.mark.parametrize(
    ("name", "student", "init", "freeze"),
    [
        ("plain", StudentOptions("small-cnn"), "teacher", "true"),
        ("pipe", StudentOptions("small-cnn"), "teacher", "true"),
        ("plain", StudentOptions("resnet18"), "random", "false"),
        ("resnet", StudentOptions("resnet18"), "teacher", "true"),
        ("ensemble", StudentOptions("small-cnn"), "random", "false"),
        ("plain", StudentOptions("small-cnn", settings={"init": "random"}), "random", "false"),
        ("plain", StudentOptions("small-cnn", settings={"freeze_last": False}), "teacher", "false"),
        ("plain", StudentOptions("small-cnn", settings={"init": "random", "freeze_last": True}), "random", "true"),
        ("plain", StudentOptions("small-cnn", recipe="tea2025-mnist"), "random", "false"),
        ("plain", StudentOptions("small-cnn", recipe="tea2025-coco"), "teacher", "true"),
        ("plain", StudentOptions("resnet18", recipe="tea2025-coco"), "random", "false"),
        ("plain", StudentOptions("small-cnn", method="outputs"), "teacher", "true"),
        ("plain", StudentOptions("small-cnn", method="gals"), "random", "false"),
    ],
)
def test_student_starts_as_published_unless_told_otherwise(
    models: Path, name: str, student: StudentOptions, init: str, freeze: str
) -> None:
    settings = settings_of(recipe_of(models, name, student))
    assert (settings.get("init", "random"), settings.get("freeze_last", "false")) == (init, freeze)


def test_random_start_is_explained_by_the_statistics_of_the_batch(models: Path) -> None:
    started = StudentOptions("small-cnn")
    assert settings_of(recipe_of(models, "plain", started))["bn"] == "eval"
    for student in (StudentOptions("resnet18"), StudentOptions("small-cnn", settings={"init": "random"})):
        assert "bn" not in settings_of(recipe_of(models, "plain", student))
    told = StudentOptions("small-cnn", settings={"init": "random", "bn": "eval"})
    assert settings_of(recipe_of(models, "plain", told))["bn"] == "eval"


def test_recipe_of_a_file_is_taken_and_its_unknown_settings_are_refused(models: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('method = "tea"\nsettings = "init=random,loss=l1"\nepochs = 3\n')
    recipe = recipe_of(models, "plain", StudentOptions("small-cnn", recipe=str(tmp_path / "mine.toml")))
    assert (recipe.epochs, settings_of(recipe)) == (3, {"loss": "l1"})  # a random start is the default
    other = StudentOptions("small-cnn", recipe=str(tmp_path / "mine.toml"), method="outputs")
    assert "loss" not in settings_of(recipe_of(models, "plain", other))  # of the recipe's own method


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (StudentOptions("small-cnn", method="te"), "'te' is not a known method of tea-distill"),
        (
            StudentOptions("small-cnn", recipe="standard"),
            "the recipe 'standard' trains by 'erm', which does not learn from a teacher",
        ),
        (
            StudentOptions("small-cnn", overrides={"members": 3}),
            "tea-distill trains one student, not an ensemble of 3",
        ),
    ],
)
def test_method_that_learns_from_no_teacher_is_refused(models: Path, student: StudentOptions, message: str) -> None:
    assert refusal(models, "plain", student, of=recipe_of).message == message


def test_names_hold_what_was_given_and_nothing_else() -> None:
    student = StudentOptions("small-cnn", settings={"init": "random", "co_train": None}, overrides={"epochs": 3})
    named = student.named_recipe(TeacherOptions("model"))
    assert (named.settings, named.segmenter, named.epochs, named.labels) == ("init=random", "", 3, "all")
    assert student.named_recipe(TeacherOptions("model", segmenter="lungs")).segmenter == "lungs"
    spelled = {
        teacher: StudentOptions("small-cnn").named_recipe(teacher).settings
        for teacher in (
            TeacherOptions("m", masks=True),
            TeacherOptions("m", whole=True),
            TeacherOptions("m", masks=True, background="black"),
        )
    }
    assert list(spelled.values()) == ["masks=dataset", "background=none", "masks=dataset,background=black"]


def test_pipeline_teaches_by_its_classifier_behind_its_own_segmenter(models: Path) -> None:
    reference, options = locate(models, "pipe"), TeacherOptions(str(models / "pipe"))
    teacher = open_teacher(reference, options, FP32)
    assert not isinstance(teacher.network.network, SegmentedClassifier)
    assert teacher.description is not None and teacher.description.architecture == "small-cnn"
    assert teacher.segmenter is not None and teacher.segmenter[1].kind == "segmenter"
    assert (
        count_people(teacher.description.training_people, ["elsewhere/P1", "elsewhere/P2"]) == 2
    )  # the segmenter's too
    images = torch.rand(2, 1, 32, 32)
    assert torch.equal(teacher.network(images), classifier()[0](images))
    assert teacher.last_layer is not None


@pytest.mark.parametrize("options", [{"masks": True}, {"whole": True}, {"segmenter": "lungs"}])
def test_segmenter_of_a_pipeline_stays_behind_where_others_say_the_foreground(
    models: Path, options: dict[str, Any]
) -> None:
    name = str(models / "pipe")
    assert open_teacher(locate(models, "pipe"), TeacherOptions(name, **options), FP32).segmenter is None


def test_network_of_another_package_is_a_teacher(foreign: str) -> None:
    reference = locate_teacher(TeacherOptions(foreign), replicate=3)
    recipe = student_recipe(StudentOptions("small-cnn"), TeacherOptions(foreign), reference)
    assert recipe.labels == "COVID-19,Edema" and "init" not in settings_of(recipe)
    teacher = open_teacher(reference, TeacherOptions(foreign), FP32)
    assert teacher.network(torch.rand(3, 1, 32, 32)).shape == (3, 2)
    assert teacher.training == reference.model_id and teacher.last_layer is None


def test_other_labels_are_refused(models: Path, tmp_path: Path) -> None:
    data = load_dataset(str(masked_dataset(tmp_path / "tiny")))
    reference = locate(models, "plain")
    recipe = recipe_of(models, "plain", StudentOptions("small-cnn", overrides={"labels": "Edema"}))
    error = refusal(reference, data, recipe, of=check_teacher_data, replicate=0)
    assert error.message == f"the student's labels are 'Edema', and '{models / 'plain'}' has 'COVID-19,Edema'"
    fewer = replace(data, manifest=data.manifest.drop(columns="Edema"))
    error = refusal(reference, fewer, recipe_of(models, "plain"), of=check_teacher_data, replicate=0)
    assert isinstance(error, UsageError)
    assert error.message == f"'{models / 'plain'}' returns 'Edema', and tiny has no such label"


def test_pixels_that_were_made_in_another_way_are_refused(models: Path, tmp_path: Path) -> None:
    data = load_dataset(str(masked_dataset(tmp_path / "tiny")))
    other = replace(data, recipe={"size": 48, "fit": "pad"})
    error = refusal(locate(models, "plain"), other, recipe_of(models, "plain"), of=check_teacher_data, replicate=0)
    assert isinstance(error, DataError)
    assert error.message == f"'{models / 'plain'}' was trained on images made with fit 'crop', tiny has fit 'pad'"
    larger = replace(data, recipe={"size": 48, "fit": "crop"})  # a model resizes by itself
    check_teacher_data(locate(models, "plain"), larger, recipe_of(models, "plain"), replicate=0)


@pytest.mark.parametrize("kind", ["classifier", "segmenter"])
def test_teacher_that_saw_test_patients_is_refused(tmp_path: Path, kind: str) -> None:
    data = load_dataset(str(masked_dataset(tmp_path / "tiny")))
    test = sorted(set(data.manifest["person_id"][data.manifest["split_0"] == "test"]))
    train = sorted(set(data.manifest["person_id"][data.manifest["split_0"] == "train"]))
    if kind == "classifier":
        save(classifier(people=[*train, *test[:2]]), tmp_path / "teacher")
    else:
        save(pipeline_of(classifier(people=train), people=test[:2]), tmp_path / "teacher")
    reference, recipe = locate(tmp_path, "teacher"), recipe_of(tmp_path, "teacher")
    error = refusal(reference, data, recipe, of=check_teacher_data, replicate=0)
    assert isinstance(error, DataError)
    assert error.message == f"'{tmp_path / 'teacher'}' was trained on 2 of the {len(test)} test patients of 'split_0'"
    assert error.hint == "take the teacher of the same replicate, or another dataset"
    assert LABELS == reference.description.labels
