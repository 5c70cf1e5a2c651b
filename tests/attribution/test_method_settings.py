"""Methods and settings by name, and models that a method cannot look into."""

import pytest
import torch
from torch import nn

from cxrshort.attribution import METHODS
from cxrshort.attribution.method_settings import check_gradients, describe_settings, read_method
from cxrshort.errors import UsageError


def test_settings_have_the_types_of_their_defaults():
    method, settings = read_method("occlusion", ["patch=0.25", "fill=black"])
    assert method.name == "occlusion" and (settings.patch, settings.stride, settings.fill) == (0.25, 0.5, "black")
    assert read_method("gradient")[1] == read_method("gradient")[0].Settings()


@pytest.mark.parametrize(
    ("name", "texts", "message"),
    [
        ("saliency", [], "'saliency' is not a known attribution method"),
        ("expected-gradients", ["samples"], "--set 'samples' is not of the form NAME=VALUE"),
        ("expected-gradients", ["sample=3"], "'sample' is not a known setting of expected-gradients"),
        ("expected-gradients", ["samples=3", "samples=4"], "--set names 'samples' twice"),
        ("expected-gradients", ["samples=many"], "--set samples=many is 'many', it must be a whole number"),
        ("expected-gradients", ["samples=0"], "the samples of expected-gradients is '0', it must be 1 or more"),
        ("gradient", ["samples=3"], "--set 'samples=3' says nothing to 'gradient', which has no settings"),
    ],
)
def test_unknown_names_and_values_are_refused(name, texts, message):
    with pytest.raises(UsageError) as caught:
        read_method(name, texts)
    assert caught.value.message == message


def test_every_setting_of_every_method_has_a_meaning():
    sections = describe_settings()
    assert "--method expected-gradients" in sections and "--method gradient" not in sections
    assert all(row["meaning"] for rows in sections.values() for row in rows)


class Deaf(nn.Module):
    """A network without a graph."""

    @torch.no_grad()
    def forward(self, images):
        return images.mean((1, 2, 3))[:, None]


def test_method_without_gradients_looks_into_anything():
    image = torch.rand(1, 1, 8, 8)
    for name in METHODS:
        method, _ = read_method(name)
        if method.requires.gradients:
            with pytest.raises(UsageError) as caught:
                check_gradients(method, Deaf(), image, name="net.onnx")
            assert caught.value.message == f"'net.onnx' has no gradients, which '{name}' needs"
            assert caught.value.hint == "--method occlusion explains any model"
        else:
            check_gradients(method, Deaf(), image, name="net.onnx")
    check_gradients(read_method("gradient")[0], nn.Sequential(nn.Flatten(), nn.Linear(64, 1)), image, name="net")
