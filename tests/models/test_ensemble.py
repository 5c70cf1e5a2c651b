from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cxrshort.errors import DataError
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.ensemble import Ensemble, mean_log_odds, merge_members, quadratic_log_odds
from cxrshort.models.people import hash_people

MEMBER = Description(
    "classifier", "small-cnn", ("COVID-19", "Edema"), InputSpec(size=16), dataset="I", pixels={"size": 16}
)


def images(channels: int = 1, side: int = 16) -> Tensor:
    return torch.rand(2, channels, side, side, generator=torch.Generator().manual_seed(0))


def trained(seed: int, **changes: object) -> tuple[Classifier, Description]:
    people = hash_people([f"nih/{seed}", "nih/shared"])
    description = replace(MEMBER, seed=seed, selection={"epoch": seed}, training_people=people)
    return factory.build_model(description, seed=seed).eval(), replace(description, **changes)


def log_odds(probability: np.ndarray) -> np.ndarray:
    return np.log(probability / (1 - probability))


@pytest.mark.parametrize(
    ("combined", "mean"),
    [
        (mean_log_odds, lambda probabilities: probabilities.mean(axis=0)),
        (quadratic_log_odds, lambda probabilities: np.sqrt((probabilities**2).mean(axis=0))),
    ],
    ids=["mean", "quadratic"],
)
def test_log_odds_are_those_of_the_combined_probability(combined, mean):
    logits = np.random.default_rng(0).normal(0, 4, (20, 5, 3))
    expected = log_odds(mean(1 / (1 + np.exp(-logits))))
    np.testing.assert_allclose(combined(torch.from_numpy(logits)).numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize("combined", [mean_log_odds, quadratic_log_odds])
@pytest.mark.parametrize("logit", [-80.0, 0.5, 80.0])
def test_members_that_agree_leave_their_logit_as_it_is(combined, logit):
    """At 80, a probability is 1 to 34 digits; fp32 has 7."""
    logits = torch.full((3, 1), logit, requires_grad=True)
    value = combined(logits)
    assert value.item() == pytest.approx(logit, rel=1e-5)
    value.sum().backward()
    # the logit moves by as much as each of the members does, together
    torch.testing.assert_close(logits.grad, torch.full((3, 1), 1 / 3), rtol=1e-4, atol=0)


def test_quadratic_mean_lies_above_the_mean_and_below_the_largest():
    logits = torch.randn(20, 100, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert (quadratic_log_odds(logits) > mean_log_odds(logits)).all()
    assert (quadratic_log_odds(logits) < logits.amax(dim=0)).all()


@pytest.mark.parametrize(("combine", "combined"), [("mean", mean_log_odds), ("quadratic", quadratic_log_odds)])
def test_ensemble_combines_what_its_members_say(combine, combined):
    members = [trained(seed)[0] for seed in (1, 2, 3)]
    assert torch.equal(
        Ensemble(members, combine=combine)(images()), combined(torch.stack([m(images()) for m in members]))
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("combine", ["mean", "quadratic"])
def test_ensemble_keeps_the_contract_of_a_classifier(combine, channels, tmp_path: Path):
    model, description = merge_members([trained(seed) for seed in range(20)], combine=combine)
    logits = model(images(channels))
    assert logits.shape == (2, 2)
    checkpoint.save_model(model, tmp_path / "model.safetensors", description=description)
    loaded, read = factory.load_model(tmp_path / "model.safetensors")
    assert (read.kind, read.members, read.combine) == ("ensemble", 20, combine)
    assert torch.equal(loaded(images(channels)), model.to(memory_format=torch.channels_last)(images(channels)))
    assert loaded(images(channels, side=40)).shape == (2, 2)
    batch = images(channels).requires_grad_()
    loaded(batch)[:, 0].sum().backward()
    assert (batch.grad.flatten(1).abs().amax(dim=1) > 0).all()


def test_ensemble_keeps_fp32_where_the_members_run_in_bf16():
    model, _ = merge_members([trained(1), trained(2)])
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(images())
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, logits.to(torch.bfloat16).float())


def test_merged_description_remembers_all_members():
    _, description = merge_members([trained(1), trained(2, dataset="II")], combine="quadratic")
    assert checkpoint.trained_on(description, ["nih/1", "nih/2", "nih/shared", "nih/3"]) == 3
    assert description.selection == {"members": [{"epoch": 1}, {"epoch": 2}]}
    assert description.dataset == ""
    assert merge_members([trained(1), trained(2)])[1].dataset == "I"


def test_new_ensemble_starts_with_members_that_differ():
    description = replace(MEMBER, kind="ensemble", members=2)
    first, second = factory.build_model(description, seed=0).network.members
    assert not torch.equal(first[0].weight, second[0].weight)


@pytest.mark.parametrize(
    ("models", "message", "hint"),
    [
        (
            lambda: [trained(1)],
            "an ensemble needs two members or more, not 1",
            "train with other --seed values",
        ),
        (
            lambda: [trained(1), trained(2, labels=("Edema", "COVID-19"))],
            "the members of an ensemble differ in labels: '('COVID-19', 'Edema')' and '('Edema', 'COVID-19')'",
            "give models that were trained alike",
        ),
        (
            lambda: [trained(1), trained(2, architecture="resnet18")],
            "the members of an ensemble differ in architecture: 'small-cnn' and 'resnet18'",
            "give models that were trained alike",
        ),
        (
            lambda: [merge_members([trained(1), trained(2)])] * 2,
            "a model of kind 'ensemble' cannot be a member of an ensemble",
            "give single classifiers",
        ),
    ],
    ids=["one", "labels", "architecture", "ensembles"],
)
def test_members_that_do_not_fit_together_are_refused(models, message, hint):
    with pytest.raises(DataError) as caught:
        merge_members(models())
    assert (caught.value.message, caught.value.hint) == (message, hint)
