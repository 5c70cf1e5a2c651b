from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cxrshort.compute import Compute
from cxrshort.dataset import load_dataset
from cxrshort.training import recipes
from cxrshort.training.inputs import TrainingJob
from cxrshort.training.learner import make_learner, start_bias_at_means
from cxrshort.training.preparation import prepare

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
