"""Losses of a CycleGAN, against their formulas."""

import math

import pytest
import torch

from cxrshort.generative.cyclegan.losses import UNDECIDED, adversarial_loss, mean_difference


@pytest.mark.parametrize("real", [True, False])
def test_least_squares_are_squared_distances_from_the_target(real: bool) -> None:
    scores = torch.tensor([[0.2], [-1.5], [1.0]])
    expected = sum((float(score) - real) ** 2 for score in scores)
    assert float(adversarial_loss(scores, real=real, loss="lsgan")) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("real", [True, False])
def test_logarithmic_loss_is_the_logarithm_of_the_probability(real: bool) -> None:
    scores = torch.tensor([[0.2], [-1.5], [3.0]])
    probabilities = [1 / (1 + math.exp(-float(score))) for score in scores]
    expected = -sum(math.log(value if real else 1 - value) for value in probabilities)
    assert float(adversarial_loss(scores, real=real, loss="log")) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("loss", "score"), [("lsgan", 0.5), ("log", 0.0)])
def test_undecided_discriminators_have_the_stated_loss(loss: str, score: float) -> None:
    scores = torch.tensor([[score]])
    both = [float(adversarial_loss(scores, real=real, loss=loss)) for real in (True, False)]
    assert sum(both) / 2 == pytest.approx(UNDECIDED[loss], rel=1e-6)


def test_pictures_that_fool_have_a_smaller_loss_and_a_slope_where_they_do_not() -> None:
    for loss in UNDECIDED:
        scores = torch.tensor([[-4.0]], requires_grad=True)
        adversarial_loss(scores, real=True, loss=loss).backward()
        assert float(scores.grad) < -0.9  # that of log(1 - D) would be -0.018 here


def test_differences_are_means_over_pixels_and_sums_over_pictures() -> None:
    first = torch.zeros(2, 1, 2, 2)
    second = torch.tensor([[[[1.0, -1.0], [0.0, 0.0]]], [[[2.0, 2.0], [2.0, 2.0]]]])
    assert float(mean_difference(first, second)) == 2.5
