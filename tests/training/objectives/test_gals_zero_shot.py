"""Guidance by the attention of a zero-shot CLIP model, which has no convolutional map."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from cxrshort.attribution import lrp
from cxrshort.errors import UsageError
from cxrshort.models.classifier import Classifier
from cxrshort.models.outputs import Task
from cxrshort.models.sources.foreign import open_foreign
from cxrshort.training.data.batches import Batch
from cxrshort.training.objectives.gals import GALS, GALSSettings, attention_of
from cxrshort.training.objectives.tea import TEA, TEASettings

from ...models.sources.tiny_clip import QUERY, SIZE, save_tiny_clip
from .by_hand import batch, convolutional

CLASSES = Task("multiclass")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    folder: Path = tmp_path_factory.mktemp("clip")
    save_tiny_clip(folder)
    return open_foreign(f"clip:{folder}?{QUERY}")[0].requires_grad_(False)


def samples(teacher: Classifier) -> Batch:
    return batch([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], size=SIZE)._replace(teacher=teacher)


@pytest.mark.parametrize("explanation", ["lrp", "gradient", "gradient-x-input"])
def test_student_learns_from_relevance_and_gradients(teacher: Classifier, explanation: str) -> None:
    student = convolutional(outputs=2)
    objective = GALS(GALSSettings(explanation=explanation, weight=1.0), task=CLASSES)
    loss = objective(student, samples(teacher))
    plain = GALS(GALSSettings(explanation=explanation, weight=0.0), task=CLASSES)(student, samples(teacher))
    assert loss > plain
    loss.backward()
    assert all(bool(value.grad.abs().max() > 0) for value in student.parameters())


def test_attention_is_the_positive_relevance_of_the_true_class(teacher: Classifier) -> None:
    images = samples(teacher).images
    maps = lrp.relevance(teacher, images, outputs=torch.tensor([0, 1, 0]))
    attention, blank = attention_of(maps, teacher, images)
    positive: Tensor = maps.clamp(min=0)
    expected = (positive - positive.amin((1, 2, 3), keepdim=True)) / (
        positive.amax((1, 2, 3), keepdim=True) - positive.amin((1, 2, 3), keepdim=True)
    )
    torch.testing.assert_close(attention, expected)
    assert not blank.any()


@pytest.mark.parametrize(
    ("explanation", "hint"),
    [
        ("grad-cam", "--set explanation=gradient-x-input explains any network"),
        ("attention", "--set explanation=lrp, larger images, or an architecture such as densenet121 or resnet18"),
    ],
)
def test_maps_that_it_does_not_have_are_refused_with_the_setting_that_helps(
    teacher: Classifier, explanation: str, hint: str
) -> None:
    with pytest.raises(UsageError) as caught:
        GALS(GALSSettings(explanation=explanation), task=CLASSES)(convolutional(outputs=2), samples(teacher))
    assert caught.value.message == (
        f"the teacher: '{explanation}' needs a convolutional map of more than one pixel, and this network has none"
    )
    assert caught.value.hint == hint


def test_tea_learns_from_its_relevance(teacher: Classifier) -> None:
    student = convolutional(outputs=2)
    loss = TEA(TEASettings(), task=CLASSES)(student, samples(teacher))
    loss.backward()
    assert torch.isfinite(loss)
    assert bool(student[0].weight.grad.abs().max() > 0)
