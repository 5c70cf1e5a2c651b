"""Models from descriptions: seeds of members, and files that do not fit."""

from dataclasses import replace

import pytest
import torch

from cxrshort.errors import DataError
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec

SPEC = InputSpec(16)
ONE = Description("classifier", "small-cnn", ("COVID-19", "Edema"), SPEC)


def test_build_is_a_function_of_the_seed():
    first, again, other = (factory.build_model(ONE, seed=seed).state_dict() for seed in (4, 4, 5))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_members_of_an_ensemble_start_from_consecutive_seeds():
    ensemble = factory.build_model(replace(ONE, kind="ensemble", members=2), seed=4)
    for seed in (4, 5):
        start = next(factory.build_model(ONE, seed=seed).parameters())
        assert (
            sum(parameter.shape == start.shape and torch.equal(parameter, start) for parameter in ensemble.parameters())
            == 1
        )


def test_load_gives_back_what_was_saved(tmp_path):
    model = factory.build_model(ONE, seed=1).eval()
    checkpoint.save_model(model, tmp_path / "model.safetensors", description=ONE)
    loaded, description = factory.load_model(tmp_path / "model.safetensors")
    assert not loaded.training and description.labels == ONE.labels
    images = torch.rand(2, 3, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(images), model(images))


def test_file_whose_tensors_do_not_fit_its_description_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    checkpoint.save_model(factory.build_model(replace(ONE, labels=("Mass",))), path, description=ONE)
    with pytest.raises(DataError) as caught:
        factory.load_model(path)
    assert caught.value.message == (
        f"'{path}' does not fit its fields 'architecture' ('small-cnn') and 'labels' (2 outputs)"
    )
