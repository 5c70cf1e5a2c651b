import numpy as np
import pytest
import torch

from cxrshort.errors import UsageError
from cxrshort.training.data.mixture import Mixture


def fold(real: int, synthetic: int) -> np.ndarray:
    """Return which images of a fold are synthetic, in an order of no meaning."""
    kinds = np.array([False] * real + [True] * synthetic)
    return np.random.default_rng(0).permutation(kinds)


@pytest.mark.parametrize(("real", "synthetic", "share"), [(70, 40, 0.3), (70, 40, 0.5), (20, 500, 0.8), (90, 3, 0.1)])
def test_every_epoch_has_the_share_exactly_and_every_real_image_once(real: int, synthetic: int, share: float) -> None:
    kinds = fold(real, synthetic)
    mixture = Mixture(kinds, share)
    for epoch in range(4):
        order = mixture.order(epoch, seed=1)
        assert len(order) == len(mixture) and kinds[order].sum() == mixture.draws
        assert abs(kinds[order].mean() - share) <= 0.5 / len(order)
        assert sorted(order[~kinds[order]]) == np.flatnonzero(~kinds).tolist()


@pytest.mark.parametrize("share", [0.3, 0.65])
def test_every_batch_has_its_share_to_within_one_image(share: float) -> None:
    kinds = fold(100, 57)
    order = Mixture(kinds, share).order(2, seed=0)
    for start in range(0, len(order) - 16, 16):
        assert abs(kinds[order[start : start + 16]].sum() - 16 * share) <= 1


@pytest.mark.parametrize(("synthetic", "share"), [(40, 0.3), (500, 0.5), (3, 0.5)])
def test_no_synthetic_image_comes_again_before_all_came(synthetic: int, share: float) -> None:
    """More of them than an epoch takes, or fewer: the passes run on from one epoch to the next."""
    kinds = fold(70, synthetic)
    mixture = Mixture(kinds, share)
    seen = np.concatenate([order[kinds[order]] for order in (mixture.order(epoch, seed=3) for epoch in range(20))])
    for start in range(0, len(seen) - synthetic, synthetic):
        assert sorted(seen[start : start + synthetic]) == np.flatnonzero(kinds).tolist()
    counts = np.bincount(seen, minlength=len(kinds))[kinds]
    assert counts.max() - counts.min() <= 1


def test_order_is_a_function_of_seed_and_epoch_alone() -> None:
    mixture = Mixture(fold(30, 20), 0.4)
    orders = {(seed, epoch): tuple(mixture.order(epoch, seed=seed)) for seed in (0, 1) for epoch in (2, 0, 1)}
    torch.manual_seed(5)  # the global generator has no say
    assert all(tuple(mixture.order(epoch, seed=seed)) == order for (seed, epoch), order in orders.items())
    assert len(set(orders.values())) == len(orders)


def test_times_are_what_epochs_show_on_average() -> None:
    kinds = fold(30, 12)
    mixture = Mixture(kinds, 0.5)
    counts = sum(np.bincount(mixture.order(epoch, seed=0), minlength=len(kinds)) for epoch in range(8))
    np.testing.assert_allclose(mixture.times(), counts / 8)  # 8 epochs of 30 are 20 whole passes of 12


def test_share_that_is_no_whole_image_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        Mixture(fold(10, 5), 0.01)
    assert caught.value.message == "--mix is '0.01', which of 10 real images is no whole synthetic one"
