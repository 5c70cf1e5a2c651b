from pathlib import Path

import torch

from cxrshort import dataset as datasets
from cxrshort.devices import Compute
from cxrshort.models import checkpoint
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.training import recipes
from cxrshort.training.batches import Batches
from cxrshort.training.forecast import forecast
from cxrshort.training.loop import Course
from cxrshort.training.objectives.erm import ERM
from cxrshort.training.state import Keeper

from .tiny import tiny_dataset


def test_forecast_follows_from_the_rate_that_it_measured(tmp_path: Path) -> None:
    data = datasets.load(str(tiny_dataset(tmp_path / "tiny", size=16)))
    model = checkpoint.build(Description("classifier", "small-cnn", ("COVID-19",), InputSpec(size=16)))
    targets = datasets.label_matrix(data.manifest, ["COVID-19"])
    for batch_size in (4, 16, 1000):  # a fold of one step too
        batches = Batches(data.pixels, targets, batch_size=batch_size, seed=0, device=torch.device("cpu"))
        recipe = recipes.load("standard", overrides={"epochs": 5000})
        course = Course(ERM(), recipe, Compute("cpu", "fp32", 1), lambda each: {}, Keeper(Path()), lambda event: None)
        result = forecast(model, batches, course=course, validation_images=12)
        assert result["parameters"] == sum(each.numel() for each in model.parameters())
        assert result["images_per_second"] > 0
        hours = 5000 * (48 + 12 / 3) / result["images_per_second"] / 3600
        assert abs(result["hours"] - hours) <= 0.002 * hours + 0.0006  # both figures are rounded
