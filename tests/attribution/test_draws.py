"""Random draws that belong to an image."""

import pytest
import torch

from cxrshort.attribution.draws import GROUPS, draw_paths, draw_seeds, groups_of, standard_errors


def generators(count: int, first: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(first + each) for each in range(count)]


@pytest.mark.parametrize(("draws", "references"), [(200, 200), (40, 7), (3, 9), (25, 100)])
def test_references_are_dealt_and_shares_of_the_path_stratified_in_each_group(draws: int, references: int) -> None:
    rows, shares = draw_paths(generators(2), draws=draws, references=references)
    assert rows.shape == shares.shape == (2, draws)
    for dealt in rows:
        counts = dealt.bincount(minlength=references)
        assert int(counts.max()) <= -(-draws // references) and int(counts.max() - counts.min()) <= 1
    groups = torch.arange(draws) * groups_of(draws) // draws
    for group in range(groups_of(draws)):
        part = shares[:, groups == group]
        size = part.shape[1]
        assert torch.equal((part * size).long().sort(dim=1).values, torch.arange(size).expand(2, -1))


def test_draws_of_an_image_do_not_depend_on_its_neighbours() -> None:
    rows, shares = draw_paths(generators(3), draws=12, references=5)
    alone = draw_paths(generators(1, first=2), draws=12, references=5)
    assert torch.equal(rows[2:], alone[0]) and torch.equal(shares[2:], alone[1])
    assert not torch.equal(rows[0], rows[1])
    seeds = draw_seeds(generators(3), draws=12)
    assert torch.equal(seeds[2:], draw_seeds(generators(1, first=2), draws=12))
    assert len(seeds.unique()) == 36
    assert draw_seeds([], draws=4).shape == (0, 4)


def test_number_of_groups_is_ten_or_that_of_the_draws() -> None:
    assert [groups_of(each) for each in (1, 9, 10, 200)] == [1, 9, 10, GROUPS]


def test_standard_error_of_a_linear_statistic_is_that_of_a_sum_of_groups() -> None:
    groups = torch.randn(4, 10, 3, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = standard_errors(groups, lambda maps: maps.sum((1, 2)))
    torch.testing.assert_close(found, groups.sum((2, 3)).std(dim=1) * 10**0.5)


def test_standard_error_of_a_share_is_the_spread_over_repeated_runs() -> None:
    """Runs of ten groups whose pixels are independent: the mean of the errors against the spread over runs."""
    noise = torch.randn(3000, 10, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    groups = torch.tensor([[1.0, 0.5], [-0.4, 0.2]], dtype=torch.float64) + 0.5 * noise

    def share(maps: torch.Tensor) -> torch.Tensor:
        return maps[:, 0].abs().sum(1) / maps.abs().sum((1, 2))

    spread = float(share(groups.sum(1)).std())
    found = float(standard_errors(groups, share).square().mean().sqrt())
    assert found == pytest.approx(spread, rel=0.15)  # the jackknife errs upwards, by 8 % with these draws


def test_standard_error_is_not_known_from_one_group() -> None:
    assert standard_errors(torch.ones(2, 1, 3, 3), lambda maps: maps.sum((1, 2))).isnan().all()
