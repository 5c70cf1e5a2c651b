from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from cxrshort import dataset as datasets
from cxrshort.compute import Compute
from cxrshort.models import checkpoint
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.sources.architectures import find_architecture
from cxrshort.training import recipes
from cxrshort.training.preparation import Plan, cut_folds, start_at_means

from .tiny import tiny_dataset

NAN = float("nan")


def test_last_layer_starts_at_the_mean_of_what_is_known() -> None:
    last = nn.Linear(4, 3)
    weight = last.weight.detach().clone()
    start_at_means(last, np.array([[60.0, NAN, -3.0], [70.0, NAN, NAN]], np.float32))
    assert last.bias.tolist() == [65.0, 0.0, -3.0]
    assert torch.equal(last.weight, weight)
    start_at_means(nn.Linear(4, 1, bias=False), np.ones((2, 1), np.float32))  # nothing to set


@pytest.mark.parametrize(("task", "expected"), [("regression", True), ("multilabel", False)])
def test_only_regressions_start_at_means(tmp_path: Path, task: str, expected: bool) -> None:
    data = datasets.load(str(tiny_dataset(tmp_path / "tiny")))
    recipe = recipes.load("standard", overrides={"task": task, "labels": "age_years" if expected else "COVID-19"})
    folds = cut_folds(data, recipe, replicate=0, explicit_label=False)
    description = Description("classifier", "small-cnn", folds.labels, InputSpec(size=32))
    model = checkpoint.build(description, seed=1)
    before = model.network[-1].bias.item()  # type: ignore[index, union-attr]
    plan = Plan(recipe, find_architecture("small-cnn"), Compute("cpu", "fp32", 1), 0, needs_masks=False)
    plan.prepare(model, folds, description=description)
    after = model.network[-1].bias.item()  # type: ignore[index, union-attr]
    mean = float(folds.train.manifest["age_years"].astype(float).mean())
    assert after == pytest.approx(mean if expected else before)
