from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cxrshort.compute import Compute
from cxrshort.dataset import load_dataset
from cxrshort.models import factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.training import recipes
from cxrshort.training.inputs import TrainingJob
from cxrshort.training.learner import make_learner, start_bias_at_means
from cxrshort.training.preparation import prepare
from cxrshort.training.teacher import CoTraining, Teacher

from .tiny import tiny_dataset

NAN = float("nan")


def test_last_layer_starts_at_the_mean_of_what_is_known() -> None:
    last = nn.Linear(4, 3)
    weight = last.weight.detach().clone()
    start_bias_at_means(last, np.array([[60.0, NAN, -3.0], [70.0, NAN, NAN]], np.float32))
    assert last.bias.tolist() == [65.0, 0.0, -3.0]
    assert torch.equal(last.weight, weight)
    start_bias_at_means(nn.Linear(4, 1, bias=False), np.ones((2, 1), np.float32))  # nothing to set


@pytest.mark.parametrize(("task", "expected"), [("regression", True), ("multilabel", False)])
def test_only_regressions_start_at_means(tmp_path: Path, task: str, expected: bool) -> None:
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny")))
    recipe = recipes.load_recipe(
        "standard", overrides={"task": task, "labels": "age_years" if expected else "COVID-19"}
    )
    prepared = prepare(TrainingJob(data, "small-cnn", recipe, 0, 1, tmp_path / "run", Compute("cpu", "fp32", 1)))
    before = prepared.model.network[-1].bias.item()  # type: ignore[index, union-attr]
    make_learner(prepared)
    after = prepared.model.network[-1].bias.item()  # type: ignore[index, union-attr]
    mean = float(prepared.folds.train.manifest["age_years"].astype(float).mean())
    assert after == pytest.approx(mean if expected else before)


@pytest.mark.parametrize("co_train", [False, True])
def test_student_learns_alone_or_together_with_a_copy_of_its_teacher(tmp_path: Path, co_train: bool) -> None:
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny")))
    settings = f"co_train={str(co_train).lower()}"
    recipe = recipes.load_recipe("standard", overrides={"method": "tea", "settings": settings})
    description = Description("classifier", "small-cnn", ("COVID-19", "Edema"), InputSpec(32))
    teacher = Teacher(factory.build_model(description, seed=9), description)
    job = TrainingJob(data, "small-cnn", recipe, 0, 1, tmp_path / "run", Compute("cpu", "fp32", 1))
    prepared = prepare(job, teacher=teacher)
    learner = make_learner(prepared)
    assert learner.model is prepared.model
    if not co_train:
        assert learner.network is prepared.model
        return
    assert isinstance(learner.network, CoTraining) and learner.network.student is prepared.model
    learning = learner.network.teacher
    assert learning is not teacher.network and all(value.requires_grad for value in learning.parameters())
    assert not any(value.requires_grad for value in teacher.network.parameters())
    for name, value in teacher.network.state_dict().items():
        assert torch.equal(learning.state_dict()[name], value)


def test_regression_of_a_student_does_not_start_at_the_means_of_the_labels(tmp_path: Path) -> None:
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny")))
    recipe = recipes.load_recipe("standard", overrides={"method": "tea", "task": "regression", "labels": "age_years"})
    description = Description("classifier", "small-cnn", ("age_years",), InputSpec(32))
    teacher = Teacher(factory.build_model(description, seed=9), description)
    job = TrainingJob(data, "small-cnn", recipe, 0, 1, tmp_path / "run", Compute("cpu", "fp32", 1))
    prepared = prepare(job, teacher=teacher)
    make_learner(prepared)
    assert teacher.last_layer is not None
    assert prepared.model.network[-1].bias.item() == teacher.last_layer.bias.item()  # type: ignore[index, union-attr]
