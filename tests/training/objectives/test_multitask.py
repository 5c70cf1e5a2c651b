import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cxrshort.errors import UsageError
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.outputs import Task
from cxrshort.training.data.batches import Batch
from cxrshort.training.objectives.erm import ERM
from cxrshort.training.objectives.multitask import Multitask, MultitaskSettings, mask_losses

from .by_hand import NAN, batch, bce, seeded, sigmoid


class Drawing(nn.Module):
    """Logits W x + b of the pixels; the mask's are a x + c of each pixel."""

    def __init__(self, pixels: int, outputs: int) -> None:
        super().__init__()
        self.labels = nn.Linear(pixels, outputs)
        self.labels.weight.data = seeded(outputs, pixels, seed=3) / 2
        self.labels.bias.data = seeded(outputs, seed=4)
        self.slope, self.level = nn.Parameter(torch.tensor(3.0)), nn.Parameter(torch.tensor(-1.0))

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.labels(images.flatten(1))
        return logits

    def with_masks(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self(images), self.slope * images + self.level


def drawing(*, size: int = 4, outputs: int = 2, crop: float = 1.0) -> Classifier:
    spec = InputSpec(size=size, channels=1, mean=(0.0,), std=(1.0,), crop=crop)
    return Classifier(Drawing(size * size, outputs), labels=tuple("AB"[:outputs]), spec=spec)


def masks_part(model: Classifier, samples: Batch, settings: MultitaskSettings) -> Tensor:
    plain = MultitaskSettings(classification=settings.classification, segmentation=0.0)
    return Multitask(settings)(model, samples) - Multitask(plain)(model, samples)


def test_multitask_equals_its_formula() -> None:
    """Every image weighs the same in the masks' loss, whatever labels it has."""
    model, samples = drawing(), batch([[1.0, NAN], [0.0, 1.0], [1.0, 0.0]], masked=True)
    images, truth = (tensor.numpy().astype(np.float64).reshape(3, 16) for tensor in (samples.images, samples.masks))
    labels = model.network.labels
    logits = images @ labels.weight.detach().double().numpy().T + labels.bias.detach().double().numpy()
    drawn = sigmoid(3 * images - 1)
    pixels = bce(3 * images - 1, truth).mean(1)
    overlap = (2 * (drawn * truth).sum(1) + 1) / (drawn.sum(1) + truth.sum(1) + 1)
    expected = 2.0 * np.nanmean(bce(logits, samples.targets.double().numpy()))
    expected += 0.7 * (0.75 * pixels + 0.25 * (1 - overlap)).mean()
    settings = MultitaskSettings(classification=2.0, segmentation=0.7, dice=0.25)
    assert Multitask(settings)(model, samples).item() == pytest.approx(expected, rel=1e-5)


def test_without_masks_to_learn_it_is_plain_training() -> None:
    model, samples = drawing(), batch([[1.0, 0.0], [0.0, 1.0]], masked=True)
    for task in (Task(), Task("multiclass"), Task("regression")):
        actual = Multitask(MultitaskSettings(segmentation=0.0), task=task)(model, samples)
        torch.testing.assert_close(actual, ERM(task=task)(model, samples))


def test_mask_drawn_as_it_is_costs_nothing_even_where_it_is_empty() -> None:
    masks = torch.zeros(3, 1, 4, 4)
    masks[0, ..., :2], masks[1] = 1, 1
    for dice in (0.0, 0.5, 1.0):
        assert mask_losses(60 * masks - 30, masks, dice=dice).abs().max() < 1e-6
    assert mask_losses(30 - 60 * masks, masks, dice=1.0).min() > 0.9


def test_masks_are_cropped_as_the_images_are() -> None:
    """A network that draws the image itself draws the mask exactly, where the image is the mask."""
    model = drawing(size=12, outputs=1, crop=0.75)
    model.network.slope.data.fill_(60.0)
    model.network.level.data.fill_(-30.0)
    samples = batch([[1.0], [0.0]], masked=True, size=16)
    samples = samples._replace(images=samples.masks.clone())
    same = masks_part(model, samples, MultitaskSettings(dice=1.0))
    moved = masks_part(model, samples._replace(masks=samples.masks.roll(2, dims=3)), MultitaskSettings(dice=1.0))
    assert same.item() == pytest.approx(0, abs=1e-5)
    # The centre shows 6 of 12 columns of one mask and 8 of the other.
    assert moved.item() == pytest.approx(1 - (2 * 72 + 1) / (72 + 96 + 1), abs=1e-5)


def test_parts_of_a_step_add_up_to_its_loss() -> None:
    model, samples = drawing(), batch([[1.0, NAN], [NAN, NAN], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], masked=True)
    samples = samples._replace(target_counts=np.array([1, 0, 2, 2, 2]))
    objective = Multitask()
    whole = objective(model, samples)
    parts = [objective(model, part._replace(divisor=objective.divisor(samples))) for part in samples.split(2)]
    torch.testing.assert_close(torch.stack(parts).sum(), whole)


def test_encoder_learns_from_both_losses() -> None:
    model, samples = drawing(), batch([[1.0, 0.0], [0.0, 1.0]], masked=True)
    Multitask()(model, samples).backward()
    assert all(float(parameter.grad.abs().sum()) > 0 for parameter in model.parameters())


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        (
            {"classification": 0.0},
            "the classification of multitask is '0.0', it must be above 0",
            "--target masks learns masks alone",
        ),
        ({"segmentation": -1.0}, "the segmentation of multitask is '-1.0', it must not be below 0", "try 1"),
        ({"dice": float("nan")}, "the dice of multitask is 'nan', it must be from 0 to 1", "try 0.5"),
    ],
)
def test_multitask_refuses_numbers_out_of_range(settings: dict[str, float], message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        MultitaskSettings(**settings)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_multitask_refuses_masks_alone() -> None:
    with pytest.raises(UsageError) as caught:
        Multitask(task=Task("masks"))
    assert caught.value.message == "'multitask' needs labels or classes, not masks"
