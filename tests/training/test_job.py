"""A whole training run; here with a teacher, which no file of the run may hold."""

import copy
import json
import os
import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from cxrshort import contention
from cxrshort.compute import Compute
from cxrshort.dataset import load_dataset
from cxrshort.errors import ResumableError, UsageError
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.outputs import MULTILABEL, Task
from cxrshort.registry import Entry
from cxrshort.training import OBJECTIVES, recipes
from cxrshort.training.data.batches import Batch
from cxrshort.training.inputs import TrainingJob
from cxrshort.training.job import CHECKPOINT, train_model
from cxrshort.training.objectives.contract import FoldImages, Needs, Objective
from cxrshort.training.teacher import Teacher

from .tiny import tiny_dataset

FP32 = Compute("cpu", "fp32", 1)


@dataclass(frozen=True)
class NoSettings:
    """Hold nothing."""


class Distillation(Objective):
    """Learn the logits of a teacher, whose state is counted beside those of the student."""

    name = "distillation"
    Settings = NoSettings
    needs = Needs(teacher=True)

    def __init__(self, settings: NoSettings, *, task: Task = MULTILABEL) -> None:
        super().__init__()
        self.settings, self.task = settings, task

    def forward(self, model: nn.Module, batch: Batch) -> Tensor:
        assert batch.teacher is not None and not batch.teacher.training
        return self.mean(((model(batch.images) - batch.teacher(batch.images)) ** 2).mean(1), batch)

    def divisor(self, batch: Batch) -> Tensor:
        return torch.tensor(len(batch.images))

    def validate(self, model: nn.Module, images: FoldImages, compute: Compute) -> dict[str, float]:
        assert images.teacher is not None
        return {"images_of_the_teacher": float(len(images.pixels))}


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrainingJob:
    monkeypatch.setitem(OBJECTIVES, "distillation", Entry(f"{__name__}:Distillation", "the logits of a teacher"))
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny", size=16)))
    recipe = recipes.load_recipe("standard", overrides={"method": "distillation", "epochs": 2, "batch_size": 8})
    return TrainingJob(data, "small-cnn", recipe, 0, 0, tmp_path / "run", FP32)


@pytest.fixture
def teacher() -> nn.Module:
    """Return a network whose batch norms and dropout would give it away if it were in training mode."""
    description = Description("classifier", "small-cnn", ("COVID-19", "Edema"), InputSpec(size=16))
    return factory.build_model(description, seed=9).train()


def test_teacher_stays_as_it_was_and_in_evaluation_mode(job: TrainingJob, teacher: nn.Module) -> None:
    before = copy.deepcopy(teacher.state_dict())
    summary = train_model(job, teacher=Teacher(teacher))
    assert not any(module.training for module in teacher.modules())
    assert all(parameter.grad is None and not parameter.requires_grad for parameter in teacher.parameters())
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert summary["history"][0]["images_of_the_teacher"] == 12.0


def test_student_comes_closer_to_its_teacher(job: TrainingJob, teacher: nn.Module) -> None:
    history = train_model(replace(job, recipe=replace(job.recipe, epochs=12)), teacher=Teacher(teacher))["history"]
    assert history[-1]["loss"] < history[0]["loss"] / 2


def test_no_file_of_the_run_holds_the_teacher(job: TrainingJob, teacher: nn.Module) -> None:
    with pytest.raises(ResumableError):
        train_model(_stopping(job), teacher=Teacher(teacher))
    saved = torch.load(job.folder / CHECKPOINT, weights_only=True)
    student = factory.build_model(Description("classifier", "small-cnn", ("COVID-19", "Edema"), InputSpec(size=16)))
    assert saved["objective"] == {} and saved["model"].keys() == student.state_dict().keys()
    # Two moments for each parameter are all that Adam keeps.
    assert len(saved["optimizer"]["state"]) == len(list(student.parameters()))
    train_model(replace(job, resume=True), teacher=Teacher(teacher))
    model, _ = factory.load_model(job.folder / checkpoint.FILE)
    assert model.state_dict().keys() == student.state_dict().keys()
    assert not (job.folder / CHECKPOINT).exists()


def test_run_with_a_teacher_resumes_to_the_same_bytes(job: TrainingJob, teacher: nn.Module, tmp_path: Path) -> None:
    train_model(job, teacher=Teacher(copy.deepcopy(teacher)))
    stopped = replace(job, folder=tmp_path / "stopped")
    with pytest.raises(ResumableError):
        train_model(_stopping(stopped), teacher=Teacher(copy.deepcopy(teacher)))
    train_model(replace(stopped, resume=True), teacher=Teacher(copy.deepcopy(teacher)))
    whole, resumed = ((planned.folder / checkpoint.FILE).read_bytes() for planned in (job, stopped))
    assert whole == resumed


def test_resume_refuses_another_teacher(job: TrainingJob, teacher: nn.Module) -> None:
    with pytest.raises(ResumableError):
        train_model(_stopping(job), teacher=Teacher(teacher))
    with torch.no_grad():
        next(teacher.parameters()).add_(1.0)
    with pytest.raises(UsageError, match="teacher_sha256 was '[0-9a-f]{64}' and is '[0-9a-f]{64}'"):
        train_model(replace(job, resume=True), teacher=Teacher(teacher))


def test_teacher_is_refused_where_it_is_missing_or_of_no_use(job: TrainingJob, teacher: nn.Module) -> None:
    with pytest.raises(UsageError) as caught:
        train_model(job)
    assert caught.value.message == "'distillation' learns from a teacher, and there is none"
    with pytest.raises(UsageError) as caught:
        train_model(replace(job, recipe=recipes.load_recipe("standard")), teacher=Teacher(teacher))
    assert caught.value.message == "'erm' has no use for a teacher"
    assert not job.folder.exists()


def _stopping(job: TrainingJob) -> TrainingJob:
    """Return a job that is asked to stop when its first epoch has ended."""

    def report(event: Any) -> None:
        if event["event"] == "epoch":
            os.kill(os.getpid(), signal.SIGTERM)

    return replace(job, report=report)


def test_note_on_a_slow_epoch_goes_to_the_caller_and_not_into_the_log(
    job: TrainingJob, teacher: nn.Module, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contention.SlowEpochs, "note", lambda self, seconds: "slow" if seconds >= 0 else "")
    events: list[dict[str, object]] = []
    train_model(replace(job, report=lambda event: events.append(dict(event))), teacher=Teacher(teacher))
    assert [event["text"] for event in events if event["event"] == "note"] == ["slow", "slow"]
    assert "note" not in {json.loads(line)["event"] for line in (job.folder / "log.jsonl").read_text().splitlines()}
