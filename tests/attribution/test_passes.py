"""Which logit is explained, and when the explaining pass is on."""

import pytest
import torch

from cxrshort.attribution.passes import Phase, exact, explained_logits
from cxrshort.errors import UsageError

LOGITS = torch.tensor([[1.0, 3.0, 2.0], [5.0, 4.0, 0.0]])


def test_chosen_takes_the_highest_logit_or_the_one_asked_for():
    assert explained_logits(LOGITS, None).tolist() == [3, 5]
    assert explained_logits(LOGITS, torch.tensor([2, 1])).tolist() == [2, 4]


def test_chosen_takes_what_is_chosen_among_the_logits_once():
    asked = []

    def lowest(logits):
        asked.append(logits)
        return logits.argmin(1)

    logits = LOGITS.clone().requires_grad_()
    scores = explained_logits(logits, lowest)
    assert scores.tolist() == [1, 0] and len(asked) == 1 and not asked[0].requires_grad
    scores.sum().backward()
    assert logits.grad.tolist() == [[1, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize(("outputs", "wrong"), [([0, 3], 3), ([-1, 0], -1)])
def test_chosen_refuses_a_logit_that_is_not_there(outputs, wrong):
    with pytest.raises(UsageError) as caught:
        explained_logits(LOGITS, torch.tensor(outputs))
    assert caught.value.message == f"output '{wrong}' is none of the model's, which has 3"
    assert caught.value.hint == "outputs are counted from 0 to 2"


def test_phase_explains_during_its_own_pass_alone():
    phase, seen = Phase(), []
    inputs = torch.tensor([2.0, 3.0], requires_grad=True)
    squares = inputs**2
    squares.register_hook(lambda gradient: seen.append(phase.explaining))
    assert phase.gradient(squares.sum(), inputs, create_graph=True).tolist() == [4, 6]
    squares.sum().backward()
    assert seen == [True, False]


def test_phase_ends_where_the_pass_fails():
    phase = Phase()
    with pytest.raises(RuntimeError):
        phase.gradient(torch.ones(()), torch.ones(1, requires_grad=True), create_graph=False)
    assert not phase.explaining


def test_exact_computes_with_gradients_and_without_autocast():
    weight = torch.eye(2, requires_grad=True)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16), exact(LOGITS):
        product = weight @ weight
    assert product.requires_grad and product.dtype == torch.float32
