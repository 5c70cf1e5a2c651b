"""ReLUs alone and with the batch norm before them, against the formula written out in autograd."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from cxrshort.attribution.batch_norm import NormCall, normalise
from cxrshort.attribution.gates import cap, rectify
from cxrshort.attribution.passes import Phase

EPSILON = torch.tensor([0.1, 0.3], dtype=torch.float64)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def values() -> tuple[Tensor, Tensor, Tensor]:
    """Return images (2, 3, 4, 4), a weight whose first number is 0, and a bias."""
    weight = draw(3, seed=1)
    weight[0] = 0.0
    return tuple(value.requires_grad_() for value in (draw(2, 3, 4, 4), weight, draw(3, seed=2)))  # type: ignore[return-value]


def share(output: Tensor) -> Tensor:
    return output / (output + EPSILON.view(2, 1, 1, 1))


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("with_weight", [True, False])
def test_norm_and_relu_together_are_the_formula(inplace, with_weight):
    mean, variance = draw(3, seed=5), draw(3, seed=6).square() + 0.5
    above, other = draw(2, 3, 4, 4, seed=3), draw(2, 3, 4, 4, seed=4)
    images, weight, bias = values()
    affine = (weight, bias) if with_weight else (None, None)
    phase = Phase()
    sums, norm = normalise(NormCall(images, mean, variance, *affine), rule="eval", phase=phase)
    assert norm is not None
    output = rectify(sums, EPSILON, phase, norm=norm, inplace=inplace)
    back = phase.gradient((output * above).sum(), images, create_graph=True)
    loss = (back * other).square().sum() + output.pow(3).sum()
    learnt = [value for value in (images, *affine) if value is not None]
    actual = torch.autograd.grad(loss, learnt)

    reference = functional.batch_norm(images, mean, variance, *affine).relu()
    slope = (1.0 if affine[0] is None else affine[0]) * (variance + 1e-5).rsqrt()
    expected_back = above * share(reference) * slope.view(1, 3, 1, 1)
    torch.testing.assert_close(output, reference)
    torch.testing.assert_close(back, expected_back)
    expected = torch.autograd.grad((expected_back * other).square().sum() + reference.pow(3).sum(), learnt)
    for value, wanted in zip(actual, expected, strict=True):
        torch.testing.assert_close(value, wanted)


def test_overwritten_sums_are_the_output_itself():
    images, weight, bias = values()
    phase = Phase()
    sums, norm = normalise(NormCall(images, torch.zeros(3).double(), torch.ones(3).double()), rule="eval", phase=phase)
    assert rectify(sums, EPSILON, phase, norm=norm, inplace=True) is sums
    assert (sums >= 0).all()
    del weight, bias


def test_sums_that_something_else_reads_too_keep_their_gradient():
    images, weight, bias = values()
    mean, variance = torch.zeros(3).double(), torch.ones(3).double()
    phase = Phase()
    sums, norm = normalise(NormCall(images, mean, variance, weight, bias), rule="eval", phase=phase)
    output = rectify(sums, EPSILON, phase, norm=norm)
    actual = torch.autograd.grad((output * sums).sum(), (images, weight, bias))
    reference = functional.batch_norm(images, mean, variance, weight, bias)
    expected = torch.autograd.grad((reference.relu() * reference).sum(), (images, weight, bias))
    for value, wanted in zip(actual, expected, strict=True):
        torch.testing.assert_close(value, wanted)


@pytest.mark.parametrize("inplace", [False, True])
def test_relu_alone_learns_as_ever_and_explains_by_its_share(inplace):
    images, _, _ = values()
    phase = Phase()
    output = rectify(images * 1.0, EPSILON, phase, inplace=inplace)
    back = phase.gradient(output.square().sum() / 2, images, create_graph=True)
    torch.testing.assert_close(back, images.relu() * share(images.relu()))
    torch.testing.assert_close(torch.autograd.grad(output.sum(), images)[0], (images > 0).double())


def test_gate_under_a_ceiling_explains_by_what_passed_it():
    sums, phase = torch.tensor([[-1.0, 1.0], [2.0, 9.0]], dtype=torch.float64, requires_grad=True), Phase()
    output = cap(sums, 6.0, EPSILON, phase)
    assert output.tolist() == [[0, 1], [2, 6]]
    back = phase.gradient(output.sum(), sums, create_graph=False)
    torch.testing.assert_close(back, torch.tensor([[0, 1 / 1.1], [2 / 2.3, 6 / 9.3]], dtype=torch.float64))
