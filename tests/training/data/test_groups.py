import numpy as np
import pytest
import torch

from cxrshort.errors import UsageError
from cxrshort.models.outputs import Losses
from cxrshort.registry import load_entry
from cxrshort.training import OBJECTIVES
from cxrshort.training.data.batches import Batch
from cxrshort.training.data.groups import check_groups, group_means, halves

GROUP_METHODS = ["group-dro", "irm", "pgi"]
HINT = "--group takes a column such as repository or view, or an expression"


def test_group_means_equal_numpys_over_known_targets() -> None:
    draw = torch.Generator().manual_seed(0)
    has_target = torch.rand(20, 3, generator=draw) < 0.6
    values = torch.rand(20, 3, generator=draw) * has_target
    groups = torch.randint(0, 4, (20,), generator=draw)
    groups[groups == 2] = 1  # nobody is in group 2
    means = group_means(Losses(values, has_target), groups, count=5)
    for group in range(5):
        chosen = values.numpy()[groups == group][has_target.numpy()[groups == group]]
        assert bool(means.present[group]) == bool(len(chosen))
        assert means.values[group].item() == pytest.approx(chosen.mean() if len(chosen) else 0.0, rel=1e-6)
    assert means.mean().item() == pytest.approx(means.values[means.present].mean().item(), rel=1e-6)


def test_halves_take_turns_within_each_group() -> None:
    groups = torch.tensor([0, 0, 1, 0, 1, 2, 0, 1])
    assert halves(groups, count=3).tolist() == [0, 1, 0, 0, 1, 0, 1, 0]


@pytest.mark.parametrize("name", GROUP_METHODS)
@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (None, "'{}' needs groups"),
        (np.zeros(9, np.int64), "'{}' needs two groups or more, all training images are in one"),
        (np.array([0, 1, -1, -1]), "'{}' needs a group for every training image, 2 have none"),
    ],
)
def test_group_methods_refuse_a_fold_without_groups(name: str, groups: np.ndarray | None, message: str) -> None:
    objective = load_entry(OBJECTIVES, name, kind="method")()
    with pytest.raises(UsageError) as caught:
        objective.check(groups, None)
    assert (caught.value.message, caught.value.hint) == (message.format(name), HINT)


@pytest.mark.parametrize("name", GROUP_METHODS)
def test_group_methods_refuse_a_batch_without_groups(name: str) -> None:
    objective = load_entry(OBJECTIVES, name, kind="method")()
    with pytest.raises(UsageError) as caught:
        objective(torch.nn.Identity(), Batch(torch.zeros(2, 1), torch.zeros(2, 1), np.arange(2)))
    assert caught.value.message == f"'{name}' needs groups"


def test_two_groups_are_enough() -> None:
    groups = np.array([0, 1, 0])
    assert check_groups(groups, method="irm") is groups
