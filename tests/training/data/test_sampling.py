import numpy as np
import pytest
import torch
from torch.nn import functional

from cxrshort.errors import UsageError
from cxrshort.models.outputs import Task
from cxrshort.training.data.batches import Batches
from cxrshort.training.data.sampling import (
    balanced_sampling_weights,
    class_codes,
    count_targets,
    parse_label_weights,
    positive_weights,
)

NAN = float("nan")


def test_classes_are_equally_likely_and_images_without_one_keep_their_chance() -> None:
    chances = balanced_sampling_weights([0, 0, 0, 0, 0, 1, 3, 3, -1, -1])
    assert chances.sum() == pytest.approx(1)
    assert [chances[:5].sum(), chances[5], chances[6:8].sum()] == pytest.approx([0.8 / 3] * 3)
    assert chances[8:].tolist() == [0.1, 0.1]


def test_label_codes_are_the_selecting_labels_or_the_true_classes() -> None:
    targets = np.array([[0, 1], [0.6, 0.4], [NAN, NAN]], np.float32)
    assert class_codes(targets, task=Task(), select=1).tolist() == [1, 0, -1]
    assert class_codes(targets, task=Task("multiclass"), select=None).tolist() == [1, 0, -1]


@pytest.mark.parametrize(
    ("task", "select", "message", "hint"),
    [
        ("multilabel", None, "--balance label needs to know which label", "--select-label NAME"),
        ("regression", 0, "--balance label fits labels or classes, not regression", "--balance group"),
    ],
)
def test_label_codes_refuse(task: str, select: int | None, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        class_codes(np.zeros((2, 1), np.float32), task=Task(task), select=select)
    assert (caught.value.message, caught.value.hint) == (message, hint)


class Squares:
    image_shape = (4, 4)

    def __len__(self) -> int:
        return 1000

    def take(self, indices: np.ndarray) -> np.ndarray:
        return np.zeros((len(indices), 4, 4), np.uint8)


def test_balanced_epoch_draws_as_many_of_each_class_as_a_function_of_seed_and_epoch() -> None:
    codes = np.where(np.arange(1000) < 50, 1, 0)
    targets = codes[:, None].astype(np.float32)
    batches = [
        Batches(Squares(), targets, 100, seed, torch.device("cpu"), sampling_weights=balanced_sampling_weights(codes))
        for seed in (0, 0, 1)
    ]
    orders = [batch.order(2) for batch in batches]
    np.testing.assert_array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])
    assert not np.array_equal(orders[0], batches[0].order(3))
    assert len(orders[0]) == 1000
    # 1,000 draws of probability one half: four standard deviations are 63.
    assert abs(codes[orders[0]].sum() - 500) < 63


def test_positive_weights_are_negatives_over_positives_of_the_known() -> None:
    targets = np.array([[1, NAN, 0, 0.5], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, NAN]], np.float32)
    assert positive_weights(targets) == pytest.approx((3.0, 2.0, 1.0, 5.0))


def test_weighted_loss_is_that_of_the_formula_with_gaps_left_out() -> None:
    torch.manual_seed(0)
    logits = torch.randn(6, 2, dtype=torch.float64)
    targets = torch.tensor([[1, 0], [0, NAN], [1, 1], [NAN, 0], [0.5, 1], [0, 0]], dtype=torch.float64)
    got = Task(weights=(2.0, 5.0)).losses(logits, targets).mean()
    weights = torch.tensor([2.0, 5.0], dtype=torch.float64)
    terms = -(weights * targets * functional.logsigmoid(logits) + (1 - targets) * functional.logsigmoid(-logits))
    torch.testing.assert_close(got, terms[~targets.isnan()].mean())


@pytest.mark.parametrize(
    ("task", "expected"), [("multilabel", [2, 1, 0]), ("multiclass", [1, 0, 0]), ("masks", [1, 1, 1])]
)
def test_known_targets_are_counted_as_the_mean_loss_does(task: str, expected: list[int]) -> None:
    targets = np.array([[0, 1], [0, NAN], [NAN, NAN]], np.float32)
    assert count_targets(targets, task=Task(task)).tolist() == expected
    if task != "masks":
        counted = Task(task).losses(torch.zeros(3, 2), torch.from_numpy(targets)).has_target.sum(1)
        assert counted.tolist() == expected


def test_weighted_classes_are_those_of_the_formula() -> None:
    torch.manual_seed(0)
    logits = torch.randn(4, 3, dtype=torch.float64)
    targets = torch.tensor([[1, 0, 0], [0, 0, 1], [0.25, 0.75, 0], [NAN, NAN, NAN]], dtype=torch.float64)
    got = Task("multiclass", weights=(25.0, 1.0, 2.0)).losses(logits, targets).mean()
    logs = functional.log_softmax(logits, 1)
    expected = -(25 * logs[0, 0] + 2 * logs[1, 2] + 0.25 * 25 * logs[2, 0] + 0.75 * logs[2, 1]) / 3
    torch.testing.assert_close(got, expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Edem=2", "'Edem' is not a known label of this model"),
        ("COVID-19", "'' is not a known label of this model"),
        ("Edema=0", "the weight of 'Edema' is '0', it must be a number above 0"),
        ("Edema=many", "the weight of 'Edema' is 'many', it must be a number above 0"),
    ],
)
def test_weights_that_make_no_sense_are_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_label_weights(text, ["Edema", "COVID-19"])
    assert caught.value.message == message
