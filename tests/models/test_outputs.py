import math

import pytest
import torch
from torch.nn import functional

from cxrshort.errors import UsageError
from cxrshort.models.outputs import OUTPUTS, Task, log_odds, masked_bce

NAN = float("nan")


def test_masked_bce_equals_the_formula_of_cross_entropy() -> None:
    """-(t log p + (1 - t) log(1 - p)), over the five known targets, soft ones included."""
    logits = [[0.3, -1.2, 2.0], [0.0, 4.0, -0.5]]
    targets = [[1.0, NAN, 0.25], [0.0, 1.0, 0.0]]
    total, count = 0.0, 0
    for row, truth in zip(logits, targets, strict=True):
        for logit, target in zip(row, truth, strict=True):
            if not math.isnan(target):
                p = 1 / (1 + math.exp(-logit))
                total -= target * math.log(p) + (1 - target) * math.log(1 - p)
                count += 1
    assert count == 5
    assert float(masked_bce(torch.tensor(logits), torch.tensor(targets))) == pytest.approx(total / count, rel=1e-6)


def test_masked_bce_without_empty_labels_equals_torchs() -> None:
    draw = torch.Generator().manual_seed(0)
    logits, targets = torch.randn(9, 4, generator=draw), torch.rand(9, 4, generator=draw).round()
    expected = functional.binary_cross_entropy_with_logits(logits, targets)
    torch.testing.assert_close(masked_bce(logits, targets), expected)


def test_empty_labels_contribute_neither_loss_nor_gradient() -> None:
    logits = torch.randn(6, 2, generator=torch.Generator().manual_seed(1), requires_grad=True)
    targets = torch.tensor([[1.0, NAN], [0.0, NAN], [1.0, 0.0], [NAN, NAN], [0.0, 1.0], [NAN, 0.0]])
    loss = masked_bce(logits, targets)
    loss.backward()
    has_target = ~torch.isnan(targets)
    expected = functional.binary_cross_entropy_with_logits(logits[has_target], targets[has_target])
    torch.testing.assert_close(loss, expected)
    assert logits.grad is not None
    assert (logits.grad[~has_target] == 0).all()
    assert (logits.grad[has_target] != 0).all()


def test_batch_without_any_label_gives_zero_and_no_nan() -> None:
    logits = torch.tensor([[50.0, -3.0]], requires_grad=True)
    loss = masked_bce(logits, torch.full((1, 2), NAN))
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_masked_bce_is_finite_for_extreme_logits_in_bf16() -> None:
    logits = torch.tensor([[1000.0, -1000.0]], dtype=torch.bfloat16)
    loss = masked_bce(logits, torch.tensor([[0.0, 1.0]]))
    assert loss.dtype == torch.float32
    assert float(loss) == 1000.0


def test_per_image_loss_is_the_mean_over_the_known_labels_of_each_image() -> None:
    logits = torch.tensor([[0.3, -1.2], [2.0, 0.5], [1.0, 1.0]])
    targets = torch.tensor([[1.0, 0.0], [NAN, 1.0], [NAN, NAN]])
    losses = functional.binary_cross_entropy_with_logits(logits, targets.nan_to_num(), reduction="none")
    expected = torch.stack([losses[0].mean(), losses[1, 1], torch.tensor(0.0)])
    torch.testing.assert_close(Task().per_image_loss(logits, targets), expected)


def test_exclusive_classes_learn_by_cross_entropy_and_leave_out_images_without_one() -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    targets = torch.tensor([[0.0, 1.0, 0.0], [NAN, NAN, NAN], [NAN, NAN, 1.0], [0.25, 0.75, 0.0]])
    losses = Task("multiclass").losses(logits, targets)
    hard = functional.cross_entropy(logits[[0, 2]], torch.tensor([1, 2]), reduction="none")
    soft = functional.cross_entropy(logits[3:], targets[3:])
    torch.testing.assert_close(losses.mean(), (hard.sum() + soft) / 3)
    losses.mean().backward()
    assert logits.grad is not None
    assert (logits.grad[1] == 0).all()


def test_regression_learns_by_squared_error() -> None:
    logits, targets = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[0.5], [NAN], [5.0]])
    assert Task("regression").losses(logits, targets).mean().item() == pytest.approx((0.25 + 4.0) / 2)


def test_scores_are_the_log_odds_of_the_probabilities() -> None:
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    p = logits.softmax(1)
    torch.testing.assert_close(Task("multiclass").scores(logits), torch.log(p / (1 - p)))
    assert torch.equal(Task().scores(logits), logits)


@pytest.mark.parametrize("output", OUTPUTS)
def test_log_odds_are_those_of_the_probabilities_that_a_network_means(output: str) -> None:
    outputs = torch.randn(5, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    outputs = outputs.sigmoid() if output == "probabilities" else outputs
    meant = {"logits": outputs.sigmoid(), "probabilities": outputs, "softmax": outputs.softmax(1)}[output]
    torch.testing.assert_close(log_odds(outputs, output=output), torch.log(meant / (1 - meant)))


def test_log_odds_of_certain_probabilities_are_finite() -> None:
    certain = log_odds(torch.tensor([[0.0, 1.0]]), output="probabilities")
    assert certain[0, 0] < -15 and certain[0, 1] > 15 and bool(torch.isfinite(certain).all())


def test_single_class_ranks_nothing() -> None:
    assert Task("multiclass").scores(torch.tensor([[3.0], [-1.0]])).tolist() == [[0.0], [0.0]]


def test_probabilities_of_the_answers_add_up_to_one() -> None:
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    labels, classes = Task().log_probabilities(logits).exp(), Task("multiclass").log_probabilities(logits).exp()
    assert labels.shape == (5, 3, 2)
    torch.testing.assert_close(labels[..., 1], torch.sigmoid(logits))
    torch.testing.assert_close(labels.sum(2), torch.ones(5, 3))
    torch.testing.assert_close(classes[:, 0], logits.softmax(1))


def test_answers_are_rounded_targets() -> None:
    targets = torch.tensor([[1.0, NAN, 0.2], [0.0, 0.6, NAN]])
    assert Task().true_classes(targets).tolist() == [[1, -1, 0], [0, 1, -1]]
    assert Task("multiclass").true_classes(torch.tensor([[0.0, 1.0], [NAN, NAN], [1.0, NAN]])).tolist() == [
        [1],
        [-1],
        [0],
    ]


def test_unknown_task_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        Task("multi-label")
    assert (caught.value.message, caught.value.hint) == (
        "'multi-label' is not a known task",
        "did you mean 'multilabel'?",
    )
