from pathlib import Path

import numpy as np
import pytest
import torch

from cxrshort import dataset as datasets
from cxrshort.compute import Compute
from cxrshort.models import checkpoint
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.scoring import score

from ..training.tiny import tiny_dataset

FP32 = Compute("cpu", "fp32", 1)


@pytest.mark.parametrize("batch_size", [1, 7, 48, 1000])
def test_score_equals_the_model_on_one_ready_tensor(tmp_path: Path, batch_size: int) -> None:
    data = datasets.load(str(tiny_dataset(tmp_path / "tiny")))
    model = checkpoint.build(Description("classifier", "small-cnn", ("COVID-19",), InputSpec(size=32)))
    images = torch.from_numpy(np.load(tmp_path / "tiny" / "images.npy")[:, None] / np.float32(255))
    with torch.inference_mode():
        expected = model.eval()(images).numpy()
    got = score(model, data.pixels, compute=FP32, batch_size=batch_size)
    assert got.dtype == np.float32
    # Convolutions of other batch sizes may sum in another order: a few units in the last place.
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_score_leaves_the_mode_and_the_weights_as_they_were(tmp_path: Path, training: bool) -> None:
    data = datasets.load(str(tiny_dataset(tmp_path / "tiny")))
    model = checkpoint.build(Description("classifier", "small-cnn", ("COVID-19",), InputSpec(size=32))).train(training)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    score(model, data.pixels, compute=FP32)
    assert model.training is training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
