"""Distillation from end to end: every kind of teacher, what a run holds, and what is refused."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from cxrshort.dataset import load_dataset
from cxrshort.errors import CxrshortError, DataError, OutputError, ResumableError, UsageError, WorkFailedError
from cxrshort.files import sha256
from cxrshort.models import checkpoint, factory
from cxrshort.models.identity import training_id
from cxrshort.results import Result
from cxrshort.training.job import CHECKPOINT
from cxrshort.training.objectives.tea import TEA
from cxrshort.training.teacher import last_layer
from cxrshort.training.teachers import StudentOptions, TeacherOptions
from cxrshort.verbs.evaluate import evaluate
from cxrshort.verbs.explain import explain
from cxrshort.verbs.swap_test import swap_test
from cxrshort.verbs.tea_distill import tea_distill
from cxrshort.verbs.train import train

from ..training.teacher_files import classifier, ensemble_of, masked_dataset, pipeline_of, save, segmenter
from ..training.tiny import png_signature, tree

CPU: dict[str, Any] = {"device": "cpu", "precision": "fp32", "threads": 1}
EPOCHS = {"epochs": 1, "batch_size": 12}
NETWORKS = """
import torch
from torch import nn

def make(activation=nn.ReLU):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), activation(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))

def smooth():
    return make(nn.SiLU)
"""
OPTIONS = "labels=COVID-19,Edema&size=32&channels=1&range=0..1"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a dataset of 24 training images, and a model of each kind."""
    home = tmp_path_factory.mktemp("distillation")
    masked_dataset(home / "tiny")
    save(classifier(), home / "plain")
    save(classifier(background="noise", recipe={"mask_bit": "lungs"}), home / "masked")
    save(pipeline_of(classifier()), home / "pipe")
    save(ensemble_of(1, 2), home / "ensemble")
    save(segmenter(), home / "lungs")
    for replicate in (0, 1):
        teacher = pipeline_of(classifier(seed=replicate, replicate=replicate))
        save(teacher, home / "series" / f"replicate-{replicate}")
    (home / "networks_of_mine.py").write_text(NETWORKS)
    return home


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def distil(model: str, out: Path | None = None, *, dataset: object = "tiny", **options: Any) -> Result:
    """Train a student for an epoch; what is not the student's or the verb's is the teacher's."""
    student = {key: options.pop(key) for key in ("arch", "recipe", "method", "settings") if key in options}
    overrides = EPOCHS | options.pop("overrides", {})
    verb = {key: options.pop(key) for key in VERB if key in options}
    teacher = TeacherOptions(model, **options)
    asked = StudentOptions(student.pop("arch", "small-cnn"), overrides=overrides, **student)
    return tea_distill(str(dataset), teacher=teacher, student=asked, out=out, **{**CPU, **verb})


VERB = ("replicate", "replicates", "seed", "name", "dry_run", "force", "resume", "report")


def refusal(*arguments: Any, **options: Any) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        distil(*arguments, **options)
    return caught.value


@pytest.mark.parametrize(
    ("name", "options", "background", "parameters"),
    [
        ("pipe", {}, "noise", True),
        ("pipe", {"background": "black"}, "black", True),
        ("pipe", {"whole": True}, "none", False),
        ("pipe", {"masks": True}, "noise", False),
        ("masked", {}, "noise", False),
        ("plain", {"segmenter": "lungs"}, "noise", True),
        ("plain", {"masks": True}, "noise", False),
        ("plain", {}, "none", False),
        ("ensemble", {}, "none", False),
        (f"py:networks_of_mine:make?{OPTIONS}", {"masks": True}, "noise", False),
    ],
)
def test_every_kind_of_model_teaches(
    here: Path, tmp_path: Path, name: str, options: dict[str, Any], background: str, parameters: bool
) -> None:
    summary = distil(name, tmp_path / "run", **options).summary
    assert summary["teacher"]["model"] == name and summary["teacher"]["background"] == background
    assert summary["labels"] == ["COVID-19", "Edema"] and summary["images"] == {"train": 24, "val": 12}
    student, teacher = summary["in_use"]["student"], summary["in_use"]["teacher"]
    assert (teacher["parameters"] > 10 * student["parameters"]) is parameters  # with a segmenter
    assert {"logit_correlation", "teacher_score", "val_loss"} <= set(summary["history"][0])
    weights = load_file(tmp_path / "run" / checkpoint.FILE)
    assert sum(value.numel() for value in weights.values()) < 1.1 * student["parameters"]
    assert not [key for key in weights if "segmenter" in key or "teacher" in key]


def test_run_folder_holds_the_student_and_how_it_was_made(here: Path, tmp_path: Path) -> None:
    summary = distil("pipe", tmp_path / "run").summary
    names = ["agreement.png", "log.jsonl", "model.safetensors", "run.json", "training.png"]
    assert sorted(tree(tmp_path / "run")) == names
    assert png_signature(tmp_path / "run" / "agreement.png")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (record["verb"], record["state"], record["summary"]) == ("tea-distill", "done", summary)
    assert record["inputs"]["teacher"] == sha256(here / "pipe" / checkpoint.FILE)
    assert summary["distillation"]["init"] == "teacher" and summary["distillation"]["freeze_last"] is True
    description = checkpoint.read_description(tmp_path / "run" / checkpoint.FILE)
    assert description.training == "tea, epochs=1, batch-size=12, of elsewhere/small-cnn/erm"
    assert description.kind == "classifier" and description.background == ""
    data = load_dataset(str(here / "tiny")).manifest
    people = data["person_id"][data["split_0"] != "test"]
    assert checkpoint.trained_on(description, people) == people.nunique()
    assert checkpoint.trained_on(description, ["elsewhere/P1", "elsewhere/P2", "elsewhere/P3"]) == 2


def test_last_layer_of_a_student_that_keeps_it_is_the_teachers(here: Path, tmp_path: Path) -> None:
    teacher = last_layer(*classifier())
    for name, options, kept in (("kept", {}, True), ("learnt", {"settings": {"freeze_last": False}}, False)):
        distil("plain", tmp_path / name, method="outputs", masks=True, **options)
        student = last_layer(*factory.load_model(tmp_path / name / checkpoint.FILE))
        assert teacher is not None and student is not None
        assert torch.equal(student.weight, teacher.weight) is kept


def test_default_folder_names_what_was_given(here: Path) -> None:
    options = {"settings": {"init": "random"}, "segmenter": "lungs"}
    folders = [distil("plain", dry_run=True, **chosen).summary["outputs"][0] for chosen in ({}, options)]
    assert [str(folder["folder"]) for folder in folders] == [
        "runs/tiny/small-cnn/tea+epochs-1+batch-size-12/replicate-0",
        "runs/tiny/small-cnn/tea+epochs-1+batch-size-12+settings-init-random+segmenter-lungs/replicate-0",
    ]
    named = distil("plain", dry_run=True, name="first", method="outputs").summary["outputs"][0]
    assert str(named["folder"]) == "runs/tiny/small-cnn/outputs/first"


def test_dry_run_writes_nothing_and_names_the_teacher(here: Path, tmp_path: Path) -> None:
    before = sorted(here.rglob("*"))
    summary = distil("pipe", tmp_path / "run", dry_run=True).summary
    assert sorted(here.rglob("*")) == before and not (tmp_path / "run").exists()
    assert summary["teacher"] == "pipe" and summary["images_per_second"] > 0
    assert summary["reads"] == ["tiny/manifest.csv", "pipe/model.safetensors"]


def test_replicates_have_the_teachers_of_their_own_splits(here: Path, tmp_path: Path) -> None:
    summary = distil("series", tmp_path / "run", replicates=2).summary
    assert [run["teacher"]["model"] for run in summary["replicates"]] == ["series/replicate-0", "series/replicate-1"]
    descriptions = [
        checkpoint.read_description(tmp_path / "run" / f"replicate-{number}" / checkpoint.FILE) for number in (0, 1)
    ]
    # Each has another teacher's file, and yet they are replicates of one training.
    assert training_id(descriptions[0]) == training_id(descriptions[1]) != ""
    assert json.loads((tmp_path / "run" / "run.json").read_text())["verb"] == "tea-distill"
    error = refusal("series", tmp_path / "three", replicate=2)
    assert error.message == "'series' holds no models of replicate 2"


def stop_at_once(event: object) -> None:
    del event
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    "options", [{}, {"settings": {"co_train": True, "warm_up_epochs": 1}}], ids=["tea", "co-train"]
)
def test_resumed_run_ends_in_the_same_bytes(here: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    options = {"overrides": {"epochs": 2}, **options}
    distil("pipe", tmp_path / "whole", **options)
    with pytest.raises(ResumableError):
        distil("pipe", tmp_path / "stopped", report=stop_at_once, **options)
    distil("pipe", tmp_path / "stopped", resume=True, **options)
    whole, stopped = ((tmp_path / name / checkpoint.FILE).read_bytes() for name in ("whole", "stopped"))
    assert whole == stopped and not (tmp_path / "stopped" / CHECKPOINT).exists()


@pytest.mark.parametrize("changed", [{"name": "plain"}, {"masks": True}, {"segmenter": "lungs"}], ids=str)
def test_resume_refuses_another_teacher_or_other_masks(here: Path, tmp_path: Path, changed: dict[str, Any]) -> None:
    epochs = {"overrides": {"epochs": 2}}
    with pytest.raises(ResumableError):
        distil("pipe", tmp_path / "run", report=stop_at_once, **epochs)
    options = {key: value for key, value in changed.items() if key != "name"}
    name = changed.get("name", "pipe")
    error = refusal(name, tmp_path / "run", resume=True, **epochs, **options)
    assert isinstance(error, UsageError) and error.hint == "--force starts over"
    assert error.message.startswith("--resume with other settings would change the model: ")
    assert ("teacher was '" if name == "plain" else "segmenter was '") in error.message


def test_occupied_folder_is_refused_and_force_overwrites(here: Path, tmp_path: Path) -> None:
    distil("pipe", tmp_path / "run")
    before = (tmp_path / "run" / checkpoint.FILE).read_bytes()
    assert isinstance(refusal("pipe", tmp_path / "run"), OutputError)
    distil("pipe", tmp_path / "run", force=True, seed=1)
    assert (tmp_path / "run" / checkpoint.FILE).read_bytes() != before


def test_run_does_not_write_over_its_teacher(here: Path, tmp_path: Path) -> None:
    save(classifier(), tmp_path / "own")
    before = (tmp_path / "own" / checkpoint.FILE).read_bytes()
    error = refusal(str(tmp_path / "own"), tmp_path / "own", force=True)
    assert isinstance(error, OutputError | UsageError)
    assert (tmp_path / "own" / checkpoint.FILE).read_bytes() == before


def test_student_opens_wherever_a_model_does(tmp_path: Path, planted_phantom: Path) -> None:
    data = str(planted_phantom)
    train(data, arch="small-cnn", overrides={"epochs": 1, "labels": "COVID-19"}, out=tmp_path / "teacher", **CPU)
    distil(str(tmp_path / "teacher"), tmp_path / "run", dataset=data, masks=True)
    student = str(tmp_path / "run")
    evaluate([student], dataset=[data], out=tmp_path / "evaluated", device="cpu", precision="fp32")
    explain(student, dataset=data, method="gradient", out=tmp_path / "explained", device="cpu", precision="fp32")
    swap_test(student, dataset=data, patches=20, out=tmp_path / "swapped", device="cpu", precision="fp32")
    for name, file in (("evaluated", "predictions.csv"), ("explained", "maps.csv"), ("swapped", "changes.csv")):
        assert (tmp_path / name / file).exists()


def test_images_without_masks_are_refused_where_the_teacher_needs_them(here: Path, tmp_path: Path) -> None:
    partly = masked_dataset(tmp_path / "partly", rows_without=(0, 3))
    error = refusal("masked", tmp_path / "run", dataset=partly)
    assert isinstance(error, DataError)
    assert error.message == "tiny: 2 of the 24 images in 'train' have no mask, first 'tiny/000'"
    assert error.hint == "leave those rows out of the manifest, or give --segmenter MODEL"
    assert not (tmp_path / "run").exists()
    distil("pipe", tmp_path / "run", dataset=partly)  # brings its own


def test_black_image_has_no_map_and_is_counted(here: Path, tmp_path: Path) -> None:
    dark = masked_dataset(tmp_path / "dark")
    images = np.load(dark / "images.npy")
    images[0] = 0  # in train
    np.save(dark / "images.npy", images)
    result = distil("plain", tmp_path / "run", dataset=dark, overrides={"epochs": 2})
    assert result.summary["distillation"]["images_skipped"] == 2
    assert "images that were not compared, since a map was 0 everywhere: 2 over all steps" in result.notes


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "pipe",
            {"arch": "resnet18", "settings": {"freeze_last": True}},
            "--freeze-last copies the last layer of 'pipe', from 128 features to 2 outputs, and that of the student is "
            "from 512 to 2",
        ),
        (
            "pipe",
            {"arch": "resnet18", "settings": {"init": "teacher"}},
            "--init teacher copies the weights of 'small-cnn', which do not fit 'resnet18'",
        ),
        (
            f"py:networks_of_mine:smooth?{OPTIONS}",
            {},
            "the teacher: 'lrp' explains networks of ReLUs and vision transformers, and this one has 'silu'",
        ),
        ("plain", {"arch": "unet-small"}, "'unet-small' draws masks, it cannot learn labels"),
        ("masked", {"segmenter": "plain"}, "'plain' is a classifier, --segmenter takes a segmenter"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(
    here: Path, tmp_path: Path, name: str, options: dict[str, Any], message: str
) -> None:
    error = refusal(name, tmp_path / "run", **options)
    assert isinstance(error, UsageError) and error.hint
    assert error.message == message
    assert not (tmp_path / "run").exists()


def test_network_that_lrp_cannot_look_into_is_explained_by_its_gradient(here: Path, tmp_path: Path) -> None:
    options = {"settings": {"explanation": "gradient-x-input"}}
    distil(f"py:networks_of_mine:smooth?{OPTIONS}", tmp_path / "run", **options)


def test_onnx_file_cannot_teach(here: Path, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    helper = onnx.helper
    tensor = [helper.make_tensor_value_info("x", 1, ["n", 1, 32, 32]), helper.make_tensor_value_info("y", 1, ["n", 2])]
    weights = helper.make_tensor("w", 1, [1024, 2], np.zeros(2048, np.float32).tolist())
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["y"])]
    graph = helper.make_graph(nodes, "g", tensor[:1], tensor[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "net.onnx")
    error = refusal(f"{tmp_path / 'net.onnx'}?{OPTIONS}", tmp_path / "run")
    assert isinstance(error, UsageError)
    assert error.message.endswith("is for scoring: an ONNX file has no gradients")


def test_teacher_with_weights_that_are_no_numbers_is_refused(here: Path, tmp_path: Path) -> None:
    model, description = classifier()
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    error = refusal(save((model, description), tmp_path / "broken"), tmp_path / "run")
    assert isinstance(error, DataError) and "are no finite numbers" in error.message


def test_memory_that_runs_out_proposes_half_the_batch(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = TEA.compare

    def exhausted(self: TEA, lesson: Any) -> Any:
        if lesson.learning and len(lesson.images) > 2:  # the rehearsal has two
            raise torch.OutOfMemoryError("CUDA out of memory")
        return compare(self, lesson)

    monkeypatch.setattr(TEA, "compare", exhausted)
    error = refusal("pipe", tmp_path / "run")
    assert isinstance(error, WorkFailedError)
    assert (error.message, error.hint) == ("cpu has no memory left for a batch of 12 images", "try --batch-size 6")


def test_validation_fold_of_one_class_is_refused(here: Path, tmp_path: Path) -> None:
    healthy = masked_dataset(tmp_path / "healthy")
    table = (healthy / "manifest.csv").read_text().splitlines()
    column = table[0].split(",").index("COVID-19")
    rows = [line.split(",") for line in table[1:]]
    lines = [",".join([*row[:column], "0", *row[column + 1 :]]) for row in rows]
    (healthy / "manifest.csv").write_text("\n".join([table[0], *lines]) + "\n")
    error = refusal("plain", tmp_path / "run", dataset=healthy)
    assert isinstance(error, DataError)
    assert error.message == "tiny: label 'COVID-19' has no positive image in 'train' of 'split_0'"
    assert error.hint == "choose another --select-label or --replicate"


def test_masks_of_a_file_are_taken(here: Path, tmp_path: Path) -> None:
    masks = np.zeros((48, 32, 32), bool)
    masks[..., :16] = True
    np.save(tmp_path / "left.npy", masks)
    options = {"masks": True, "overrides": {"mask_file": str(tmp_path / "left.npy")}}
    assert distil("pipe", tmp_path / "run", **options).summary["training_masks"]["images"] == 24
