"""Integrated gradients, averaged over references."""

import numpy as np
import pytest
import torch
from captum.attr import GradientShap
from torch import Tensor, nn

from cxrshort.attribution.draws import draw_paths, standard_errors
from cxrshort.attribution.expected_gradients import EXPECTED_GRADIENTS, ExpectedGradientsSettings

from .path_models import draw, generators, network, slopes

OUTPUTS = torch.tensor([0, 1, 0])


def explain(samples: int, *, references: Tensor, seed: int = 0, model: nn.Module | None = None) -> Tensor:
    return EXPECTED_GRADIENTS(
        model or network(),
        draw(3),
        OUTPUTS,
        settings=ExpectedGradientsSettings(samples),
        references=references,
        generators=generators(3, seed=seed),
        batch_size=5 if samples < 50 else 1000,
    )


@pytest.mark.parametrize("samples", [1, 23])
def test_maps_are_the_mean_of_the_formula_draw_by_draw(samples: int) -> None:
    references, images = draw(7, seed=1), draw(3)
    rows, shares = draw_paths(generators(3), draws=samples, references=7)
    expected = torch.zeros(3, 6, 6, dtype=torch.float64)
    for number in range(3):
        for row, share in zip(rows[number], shares[number].double(), strict=True):
            difference = images[number] - references[row]
            gradient = slopes(network(), references[row] + share * difference, int(OUTPUTS[number]))
            expected[number] += (difference * gradient)[0] / samples
    torch.testing.assert_close(explain(samples, references=references), expected.float())


def test_maps_of_many_draws_are_those_of_captum() -> None:
    references, images = draw(7, seed=1), draw(3)
    np.random.seed(0)
    torch.manual_seed(0)
    expected = GradientShap(network()).attribute(images, references, n_samples=2000, target=OUTPUTS)[:, 0].float()
    found = explain(2000, references=references)
    # Both draw: 2,000 draws of products of size 0.02 leave errors of about 0.0005 in each.
    torch.testing.assert_close(found, expected, rtol=0, atol=3e-3)
    assert float(found.abs().max()) > 0.02


def test_maps_add_up_to_the_difference_from_the_mean_of_the_references() -> None:
    references, model = draw(7, seed=1), network()
    found = explain(7000, references=references).sum((1, 2))
    expected = model(draw(3)).gather(1, OUTPUTS[:, None])[:, 0] - model(references).mean(0)[OUTPUTS]
    torch.testing.assert_close(found, expected.detach().float(), rtol=0, atol=2e-3)


def test_groups_add_up_to_the_maps_and_tell_the_spread_over_runs() -> None:
    references = draw(40, seed=1)
    settings = ExpectedGradientsSettings(20)

    def sums(maps: Tensor) -> Tensor:
        return maps[:, :3].sum((1, 2))

    runs, errors = [], []
    for seed in range(40):
        runs.append(sums(explain(20, references=references, seed=seed)))
        groups = EXPECTED_GRADIENTS.groups(
            network(), draw(3), OUTPUTS, settings=settings, references=references, generators=generators(3, seed=seed)
        )
        torch.testing.assert_close(sums(groups.sum(1)), runs[-1], rtol=1e-4, atol=1e-6)
        errors.append(standard_errors(groups, sums))
    spread, error = torch.stack(runs).std(0), torch.stack(errors).square().mean(0).sqrt()
    # References are dealt without replacement, half of them a run, so that runs spread less than groups say.
    assert bool((error < 2 * spread).all()) and bool((error > 0.8 * spread).all())


def test_draws_are_spread_over_the_path_so_that_runs_differ_less_than_independent_ones() -> None:
    references = draw(5, seed=1)
    stratified = torch.stack([explain(50, references=references, seed=seed) for seed in range(30)]).var(0).mean()
    generator, images, model = torch.Generator().manual_seed(0), draw(3), network()
    rows = torch.randint(5, (30, 50), generator=generator)
    shares = torch.rand(30, 50, 1, 1, 1, generator=generator, dtype=torch.float64)
    difference = images[:1] - references[rows].flatten(0, 1)
    points = (references[rows].flatten(0, 1) + shares.flatten(0, 1) * difference).requires_grad_()
    (gradient,) = torch.autograd.grad(model(points)[:, 0].sum(), points)
    independent = (difference * gradient).view(30, 50, 6, 6).mean(1).var(0).mean()
    assert float(stratified) < float(independent) / 3
