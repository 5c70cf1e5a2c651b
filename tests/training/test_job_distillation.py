"""Whole distillations by TEA: what is learnt, what is written, and that a run that goes on ends in the same bytes."""

import copy
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from cxrshort.compute import Compute
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import DataError, ResumableError, UsageError, WorkFailedError
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.outlines import draw_outlines
from cxrshort.models.people import count_people, hash_people
from cxrshort.models.pipeline import noise_field
from cxrshort.models.scoring import score
from cxrshort.registry import Entry
from cxrshort.training import DISTILLATIONS, recipes
from cxrshort.training.inputs import TrainingJob
from cxrshort.training.job import CHECKPOINT, train_model
from cxrshort.training.objectives.distillation import Comparison, Lesson
from cxrshort.training.objectives.tea import TEA
from cxrshort.training.teacher import Teacher

from .tiny import tiny_dataset, tiny_manifest, write_dataset

FP32 = Compute("cpu", "fp32", 1)
LABELS = ("COVID-19", "Edema")
SIZE = 16
DESCRIPTION = Description(
    "classifier", "small-cnn", LABELS, InputSpec(size=SIZE), training_people=hash_people(["other/1", "other/2"])
)
SEEN: list[Tensor] = []
"""What the teacher of a :class:`Seeing` saw, step by step."""


class Seeing(TEA):
    """Learn as TEA does, and note what the teacher saw of training images."""

    name = "seeing"

    def compare(self, lesson: Lesson) -> Comparison:
        if lesson.learning and len(lesson.images) > 2:  # the rehearsal has two
            SEEN.append(lesson.view.clone())
        return super().compare(lesson)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Return 48 images of 24 persons, half of them in train; beside them lies a file of masks, their left halves."""
    folder = tiny_dataset(tmp_path_factory.mktemp("distilled") / "tiny", size=SIZE)
    masks = np.zeros((48, SIZE, SIZE), bool)
    masks[..., : SIZE // 2] = True
    np.save(folder / "left.npy", masks)
    return load_dataset(str(folder))


@pytest.fixture
def teacher(data: Dataset) -> Teacher:
    """Return a network whose running statistics are those of the images, as a trained one's are."""
    network = factory.build_model(DESCRIPTION, seed=9)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the mean of all looks, here of one
    with torch.no_grad():
        network.train()(torch.from_numpy(data.pixels.take(np.arange(48))).float()[:, None] / 255)
    return Teacher(network, DESCRIPTION, "runs/teacher", "abc")


def job(data: Dataset, folder: Path, *, settings: str = "", masked: bool = False, **overrides: Any) -> TrainingJob:
    """Return a distillation of two epochs of three steps."""
    if masked:
        settings = ",".join(filter(None, ["background=noise", settings]))
        overrides["mask_file"] = str(data.path.parent / "left.npy")
    values = {"method": "tea", "settings": settings, "epochs": 2, "batch_size": 8, "selection": "loss"} | overrides
    recipe = recipes.load_recipe("standard", overrides=values)
    return TrainingJob(data, "small-cnn", recipe, 0, 0, folder, FP32, verb="tea-distill")


def stopping(planned: TrainingJob, *, after: str = "epoch") -> TrainingJob:
    """Return a job that is asked to stop by the first event of a kind."""

    def report(event: Any) -> None:
        if event["event"] == after:
            os.kill(os.getpid(), signal.SIGTERM)

    return replace(planned, report=report)


def weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / checkpoint.FILE)


def test_student_approaches_its_teacher(data: Dataset, teacher: Teacher, tmp_path: Path) -> None:
    """Running statistics begin elsewhere, hence the first validation loss; 24 images of noise teach no more."""
    settings = "freeze_last=true,epsilon=0.1"
    planned = job(data, tmp_path / "run", settings=settings, epochs=20, learning_rate=5e-3, weight_decay=0.0)
    history = train_model(planned, teacher=teacher)["history"]
    assert history[-1]["loss"] < 0.7 * history[0]["loss"]
    assert history[-1]["val_loss"] < 0.5 * history[0]["val_loss"]
    assert {"logit_correlation", "teacher_score"} <= history[0].keys() and "images_skipped" not in history[0]
    assert len({record["teacher_score"] for record in history}) == 1  # the teacher does not learn


def test_epoch_is_chosen_by_the_loss_on_explanations(data: Dataset, teacher: Teacher, tmp_path: Path) -> None:
    planned = job(data, tmp_path / "run", epochs=4)
    summary = train_model(planned, teacher=teacher)
    losses = [record["val_loss"] for record in summary["history"]]
    assert summary["selection"]["epoch"] == 1 + int(np.argmin(losses))


def test_student_that_starts_as_its_teacher_and_does_not_learn_is_its_teacher(
    data: Dataset, teacher: Teacher, tmp_path: Path
) -> None:
    planned = job(data, tmp_path / "run", settings="init=teacher", epochs=1, learning_rate=1e-9, weight_decay=0.0)
    (record,) = train_model(planned, teacher=teacher)["history"]
    learnt = weights(planned.folder)
    # Running statistics are the student's own.
    for name, value in teacher.network.named_parameters():
        torch.testing.assert_close(learnt[name], value, rtol=0, atol=1e-7)
    assert record["logit_correlation"] > 0.8


@pytest.mark.parametrize("after", ["step", "epoch"])
@pytest.mark.parametrize(
    "settings", ["init=random", "init=teacher,freeze_last=true", "output_bias=fit", "co_train=true,warm_up_epochs=1"]
)
def test_run_resumes_to_the_same_bytes(
    data: Dataset, teacher: Teacher, tmp_path: Path, settings: str, after: str
) -> None:
    """With noise in the background, drawn anew at every step."""
    whole = job(data, tmp_path / "whole", settings=settings, masked=True)
    broken = replace(whole, folder=tmp_path / "broken")
    train_model(whole, teacher=copy.deepcopy(teacher))
    with pytest.raises(ResumableError):
        train_model(stopping(broken, after=after), teacher=copy.deepcopy(teacher))
    train_model(replace(broken, resume=True), teacher=copy.deepcopy(teacher))
    assert (whole.folder / checkpoint.FILE).read_bytes() == (broken.folder / checkpoint.FILE).read_bytes()


def test_no_file_holds_the_teacher(data: Dataset, teacher: Teacher, tmp_path: Path) -> None:
    planned, student = job(data, tmp_path / "run"), factory.build_model(DESCRIPTION)
    before = copy.deepcopy(teacher.network.state_dict())
    with pytest.raises(ResumableError):
        train_model(stopping(planned), teacher=teacher)
    saved = torch.load(planned.folder / CHECKPOINT, weights_only=True)
    names = student.state_dict().keys()
    assert saved["model"].keys() == saved["best_weights"].keys() == names
    assert saved["objective"].keys() == {"skipped"}
    train_model(replace(planned, resume=True), teacher=teacher)
    assert weights(planned.folder).keys() == names and not (planned.folder / CHECKPOINT).exists()
    after = teacher.network.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in after.items())
    assert not any(module.training for module in teacher.network.modules())
    assert not any(parameter.requires_grad for parameter in teacher.network.parameters())


def test_teacher_that_learns_on_stands_in_the_checkpoint_alone(data: Dataset, teacher: Teacher, tmp_path: Path) -> None:
    planned, before = job(data, tmp_path / "run", settings="co_train=true"), teacher.network.state_dict()
    before = copy.deepcopy(before)
    with pytest.raises(ResumableError):
        train_model(stopping(planned), teacher=teacher)
    saved = torch.load(planned.folder / CHECKPOINT, weights_only=True)["model"]
    assert {name.partition(".")[0] for name in saved} == {"student", "teacher"}
    learnt = {name.partition(".")[2]: value for name, value in saved.items() if name.startswith("teacher.")}
    moved = {name for name, value in learnt.items() if not torch.equal(value, before[name])}
    # All weights, and no running statistic.
    assert moved == {name for name, _ in teacher.network.named_parameters()}
    train_model(replace(planned, resume=True), teacher=teacher)
    assert weights(planned.folder).keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in teacher.network.state_dict().items())


def test_co_trained_teacher_is_judged_as_it_learns(data: Dataset, teacher: Teacher, tmp_path: Path) -> None:
    planned = job(data, tmp_path / "run", settings="co_train=true,warm_up_epochs=1,teacher_weight=1", epochs=6)
    history = train_model(planned, teacher=teacher)["history"]
    assert [record.get("warm_up", False) for record in history] == [True, *[False] * 5]
    assert len({record["teacher_score"] for record in history}) > 1


# What does not learn.
@pytest.mark.parametrize("init", ["random", "teacher"])
def test_frozen_last_layer_is_the_teachers_at_the_end(
    data: Dataset, teacher: Teacher, tmp_path: Path, init: str
) -> None:
    planned = job(data, tmp_path / "run", settings=f"init={init},freeze_last=true", ema=0.9)
    train_model(planned, teacher=teacher)
    learnt, last = weights(planned.folder), teacher.last_layer
    assert torch.equal(learnt["network.14.weight"], last.weight)
    assert torch.equal(learnt["network.14.bias"], last.bias)
    assert not torch.equal(learnt["network.0.weight"], teacher.network.state_dict()["network.0.weight"])


@pytest.mark.parametrize(("choice", "expected"), [("zero", [0.0, 0.0]), ("teacher", [0.5, -2.0])])
def test_last_bias_stays_where_it_starts(
    data: Dataset, teacher: Teacher, tmp_path: Path, choice: str, expected: list[float]
) -> None:
    with torch.no_grad():
        teacher.last_layer.bias.copy_(torch.tensor([0.5, -2.0]))
    planned = job(data, tmp_path / "run", settings=f"output_bias={choice}")
    train_model(planned, teacher=teacher)
    assert weights(planned.folder)["network.14.bias"].tolist() == expected


@pytest.mark.parametrize("masked", [False, True])
def test_fitted_bias_gives_the_teachers_mean_logits_on_training_images(
    data: Dataset, teacher: Teacher, tmp_path: Path, masked: bool
) -> None:
    planned = job(data, tmp_path / "run", settings="output_bias=fit", masked=masked)
    summary = train_model(planned, teacher=teacher)
    student, _ = factory.load_model(planned.folder / checkpoint.FILE)
    pixels = data.fold("train", replicate=0).pixels
    images = torch.from_numpy(pixels.take(np.arange(len(pixels)))).float()[:, None] / 255
    view = images.expand(-1, 3, -1, -1).clone()
    if masked:
        view[..., SIZE // 2 :] = noise_field("noise", channels=3, size=SIZE)[..., SIZE // 2 :]
    with torch.no_grad():
        expected = teacher.network(view).mean(0)
    actual = score(student, pixels, compute=FP32).mean(0)
    np.testing.assert_allclose(actual, expected.numpy(), rtol=1e-4, atol=1e-5)
    assert summary["output_bias_shift"].keys() == set(LABELS)


def test_numbers_are_learnt_from_the_teacher_and_not_from_their_mean(
    data: Dataset, teacher: Teacher, tmp_path: Path
) -> None:
    """A new regression starts its last bias at the mean of the numbers; a student does not know them."""
    description = replace(DESCRIPTION, labels=("age_years",))
    aged = Teacher(factory.build_model(description, seed=9), description)
    with torch.no_grad():
        aged.last_layer.bias.fill_(3.0)
    planned = job(data, tmp_path / "run", task="regression", labels="age_years")
    train_model(planned, teacher=aged)
    assert weights(planned.folder)["network.14.bias"].tolist() == [3.0]


def test_one_label_is_enough(data: Dataset, tmp_path: Path) -> None:
    description = replace(DESCRIPTION, labels=("COVID-19",))
    only = Teacher(factory.build_model(description, seed=9), description)
    history = train_model(job(data, tmp_path / "run", labels="COVID-19"), teacher=only)["history"]
    assert all(np.isfinite(record["val_loss"]) for record in history)


def test_exclusive_classes_are_distilled(data: Dataset, teacher: Teacher, tmp_path: Path) -> None:
    manifest = data.manifest.assign(**{"Edema": 1 - data.manifest["COVID-19"]})
    exclusive = replace(data, manifest=manifest)
    history = train_model(
        job(exclusive, tmp_path / "run", task="multiclass", labels="COVID-19,Edema"), teacher=teacher
    )["history"]
    assert all(np.isfinite(record["val_loss"]) for record in history)


# What the teacher sees.
def views(planned: TrainingJob, teacher: Teacher, run: Callable[[TrainingJob], object] | None = None) -> list[Tensor]:
    SEEN.clear()
    (run or (lambda job: train_model(job, teacher=teacher)))(planned)
    return list(SEEN)


def test_noise_is_drawn_anew_at_every_step_and_is_the_same_in_every_run(
    data: Dataset, teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DISTILLATIONS, "seeing", Entry(f"{__name__}:Seeing", "TEA that is looked at"))
    planned = job(data, tmp_path / "first", masked=True, method="seeing")
    first = views(planned, teacher)
    assert [len(view) for view in first] == [8] * 6
    assert all(bool((view[..., : SIZE // 2] == view[:, :1, :, : SIZE // 2]).all()) for view in first)
    background = torch.stack([view[..., SIZE // 2 :] for view in first])
    assert background.unique().numel() > 0.99 * background.numel()
    again = views(replace(planned, folder=tmp_path / "second"), teacher)
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))
    other = views(replace(planned, folder=tmp_path / "third", seed=1), teacher)
    assert not torch.equal(first[0][..., SIZE // 2 :], other[0][..., SIZE // 2 :])

    def interrupt(stopped: TrainingJob) -> None:
        with pytest.raises(ResumableError):
            train_model(stopping(stopped), teacher=teacher)
        train_model(replace(stopped, resume=True), teacher=teacher)

    resumed = views(replace(planned, folder=tmp_path / "fourth"), teacher, interrupt)
    assert all(torch.equal(*pair) for pair in zip(first, resumed, strict=True))


def test_predicted_masks_teach_as_the_same_masks_of_the_dataset_do(tmp_path: Path) -> None:
    folder = tiny_dataset(tmp_path / "tiny", size=32)
    data = load_dataset(str(folder))
    description = Description("segmenter", "unet-small", ("mask",), InputSpec(32))
    segmenter = factory.build_model(description, seed=0).eval()
    with torch.no_grad():
        images = torch.from_numpy(data.pixels.take(np.arange(48))).float()[:, None] / 255
        list(segmenter.parameters())[-1].sub_(segmenter(images).median())  # draws half of the pixels
    checkpoint.save_model(segmenter, tmp_path / "segmenter.safetensors", description=description)
    drawn = draw_outlines(segmenter, data.pixels, compute=FP32, threshold=0.5).take(np.arange(48)) > 0
    assert 0.1 < drawn.mean() < 0.9
    np.save(folder / "left.npy", drawn)
    wide = replace(DESCRIPTION, spec=InputSpec(size=32))
    teacher = Teacher(factory.build_model(wide, seed=9), wide)
    train_model(job(data, tmp_path / "dataset", masked=True), teacher=teacher)
    by_model = {"segmenter": str(tmp_path / "segmenter.safetensors"), "settings": "background=noise"}
    train_model(job(data, tmp_path / "predicted", **by_model), teacher=teacher)
    expected, actual = (weights(tmp_path / name) for name in ("dataset", "predicted"))
    assert all(torch.equal(value, expected[name]) for name, value in actual.items())


@pytest.mark.parametrize("split", ["train", "val"])
def test_masks_that_part_of_the_images_lack_are_refused(teacher: Teacher, tmp_path: Path, split: str) -> None:
    manifest = tiny_manifest(tmp_path / "tiny").assign(mask_row=np.arange(48).astype(str))
    lacking = manifest.index[manifest["split_0"] == split][:3]
    manifest.loc[lacking, "mask_row"] = ""
    folder = write_dataset(tmp_path / "tiny", manifest, size=SIZE)
    np.save(folder / "masks.npy", np.ones((48, SIZE, SIZE), np.uint8))
    data = load_dataset(str(folder))
    with pytest.raises(DataError) as caught:
        train_model(job(data, tmp_path / "run", settings="background=noise"), teacher=teacher)
    images = int((manifest["split_0"] == split).sum())
    assert caught.value.message == (
        f"tiny: 3 of the {images} images in '{split}' have no mask, first '{manifest['image_id'][lacking[0]]}'"
    )
    assert not (tmp_path / "run").exists()
    train_model(job(data, tmp_path / "run"), teacher=teacher)  # whole images need none


def test_dataset_without_masks_is_refused(data: Dataset, teacher: Teacher, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'tea' needs masks of where evidence may lie"):
        train_model(job(data, tmp_path / "run", settings="background=black"), teacher=teacher)


# What is written of it.
def test_model_file_says_who_taught_it_and_whom_either_has_seen(
    data: Dataset, teacher: Teacher, tmp_path: Path
) -> None:
    planned = job(data, tmp_path / "run")
    train_model(planned, teacher=teacher)
    _, description = factory.load_model(planned.folder / checkpoint.FILE)
    assert (description.kind, description.background, description.recipe["teacher"]) == (
        "classifier",
        "",
        "training:abc",
    )
    manifest = data.manifest
    own = set(manifest["person_id"][manifest["split_0"] != "test"])
    assert count_people(description.training_people, [*own, "other/1", "other/2", "other/3"]) == len(own) + 2
    assert count_people(description.training_people, manifest["person_id"][manifest["split_0"] == "test"]) == 0


# What is refused.
def test_teacher_of_another_architecture_cannot_be_the_start(teacher: Teacher, tmp_path: Path) -> None:
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny", size=32)))
    planned = replace(job(data, tmp_path / "run", settings="init=teacher"), arch="resnet18")
    with pytest.raises(UsageError) as caught:
        train_model(planned, teacher=teacher)
    assert caught.value.message == ("--init teacher copies the weights of 'small-cnn', which do not fit 'resnet18'")
    assert caught.value.hint == "--init random, or --arch small-cnn"
    assert not planned.folder.exists()


class Smooth(nn.Module):
    """A network of sigmoids."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(SIZE * SIZE, 2)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.layer(images.flatten(1).sigmoid())
        return logits


def test_teacher_that_lrp_cannot_look_into_is_refused_before_anything_is_written(data: Dataset, tmp_path: Path) -> None:
    planned = job(data, tmp_path / "run")
    with pytest.raises(UsageError, match="'lrp' explains networks of ReLUs and vision transformers"):
        train_model(planned, teacher=Teacher(Smooth()))
    assert not planned.folder.exists()
    by_gradient = job(data, tmp_path / "run", settings="explanation=gradient-x-input")
    assert train_model(by_gradient, teacher=Teacher(Smooth()))["history"]


def test_student_behind_masks_of_its_own_is_refused(data: Dataset, teacher: Teacher, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        train_model(job(data, tmp_path / "run", background="black", masks=True), teacher=teacher)
    assert caught.value.message == "the recipe's background is 'black', and a student sees whole images"
    assert caught.value.hint == "--background of tea-distill says what the teacher sees"


def test_teacher_whose_weights_are_no_numbers_stops_the_run(data: Dataset, teacher: Teacher, tmp_path: Path) -> None:
    with torch.no_grad():
        teacher.network.get_parameter("network.0.weight")[0, 0, 0, 0] = float("nan")
    with pytest.raises(WorkFailedError, match="the loss is nan in epoch 1, step 1"):
        train_model(job(data, tmp_path / "run"), teacher=teacher)


def test_teacher_that_explains_nothing_is_counted(data: Dataset, teacher: Teacher, tmp_path: Path) -> None:
    with torch.no_grad():
        teacher.last_layer.weight.zero_()
    history = train_model(job(data, tmp_path / "run"), teacher=teacher)["history"]
    assert [record["images_skipped"] for record in history] == [24.0, 48.0]
    assert [record["val_loss"] for record in history] == [2.0, 2.0]
