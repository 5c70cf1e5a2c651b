"""What each way to learn does to a planted shortcut, on phantoms; minutes of training, so marked slow.

The bounds are about half of what was seen when they were set, so that they fail on a broken method, not on another
version of a convolution. At confounding 0.8, three seeds, worst-group error: ERM 0.84 to 1.00, group DRO 0.52 to
0.70, PGI 0.66 to 0.87, IRM 0.57 to 0.78.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from cxrshort.attribution import grad_cam, lrp
from cxrshort.datasets.phantom.cohort import sample_phantoms
from cxrshort.datasets.phantom.drawing import draw_phantom
from cxrshort.images.prefetch import Indices
from cxrshort.models import factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.registry import load_entry
from cxrshort.stats.auc import auc
from cxrshort.training import OBJECTIVES
from cxrshort.training.data.batches import Batches
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.evaluate import evaluate
from cxrshort.verbs.train import train

pytestmark = pytest.mark.slow

SIZE, EPOCHS, RATE = 64, 10, 1e-3


@dataclasses.dataclass(frozen=True)
class Film:
    """Drawn phantoms; ``site`` is 1 for the hospital of the positives."""

    pixels: npt.NDArray[np.uint8]
    masks: npt.NDArray[np.uint8]
    sick: npt.NDArray[np.bool_]
    site: npt.NDArray[np.int64]
    male: npt.NDArray[np.bool_]
    ap: npt.NDArray[np.bool_]


class Held:
    """Pixels or masks held in memory."""

    def __init__(self, values: npt.NDArray[np.uint8]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def take(self, indices: Indices) -> npt.NDArray[np.uint8]:
        return self.values[indices]


def film(images: int, *, confounding: float | None, seed: int, name: str = "phantom-I") -> Film:
    phantoms = sample_phantoms(name, images=images, confounding=confounding, seed=seed)
    drawings = [draw_phantom(phantom, size=SIZE) for phantom in phantoms]
    return Film(
        np.stack([drawing.pixels for drawing in drawings]),
        np.stack([drawing.masks for drawing in drawings]),
        np.array([phantom.severity("COVID-19") > 0 for phantom in phantoms]),
        np.array([int(phantom.site == "site-b") for phantom in phantoms]),
        np.array([phantom.patient.sex == "M" for phantom in phantoms]),
        np.array([phantom.view == "AP" for phantom in phantoms]),
    )


@pytest.fixture(scope="module")
def confounded() -> Film:
    return film(4000, confounding=0.8, seed=100)


@pytest.fixture(scope="module")
def fair() -> Film:
    return film(1500, confounding=0.0, seed=7)


@pytest.fixture(scope="module")
def plain(confounded: Film) -> Classifier:
    return learn("erm", confounded)


def learn(
    method: str,
    data: Film,
    *,
    target: str = "sick",
    groups: npt.NDArray[np.int64] | None = None,
    clip: float = 0.0,
    **settings: Any,
) -> Classifier:
    """Train the small network and return it in eval mode."""
    kind = load_entry(OBJECTIVES, method, kind="method")
    objective = kind(kind.Settings(**settings))
    objective.check(groups, Held(data.masks))
    model = factory.build_model(Description("classifier", "small-cnn", ("COVID-19",), InputSpec(size=SIZE)), seed=0)
    batches = Batches(
        Held(data.pixels),
        getattr(data, target)[:, None].astype(np.float32),
        batch_size=64,
        seed=0,
        device=torch.device("cpu"),
        groups=groups,
        masks=Held(data.masks),
    )
    optimizer = torch.optim.AdamW(model.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    model.train()
    for epoch in range(EPOCHS):
        for batch in batches.epoch(epoch):
            loss = objective(model, batch)
            optimizer.zero_grad()
            loss.backward()
            if clip:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
        schedule.step()
    return model.eval()


def images(data: Film, count: int) -> Tensor:
    return torch.from_numpy(data.pixels[:count, None].astype(np.float32) / 255)


def auc_of(model: nn.Module, data: Film, target: str = "sick") -> float:
    with torch.no_grad():
        scores = model(images(data, len(data.pixels)))[:, 0].numpy()
    actual = auc(getattr(data, target).astype(float), scores)
    assert actual is not None
    return float(actual)


def worst_group_error(model: nn.Module, data: Film) -> float:
    """Return the highest error over hospital and diagnosis."""
    with torch.no_grad():
        called = (model(images(data, len(data.pixels)))[:, 0] > 0).numpy()
    wrong = called != data.sick
    return max(float(wrong[(data.sick == sick) & (data.site == site)].mean()) for sick in (0, 1) for site in (0, 1))


def share_in_lungs(maps: Callable[[nn.Module, Tensor], Tensor], model: nn.Module, data: Film) -> float:
    """Return the mean share of the absolute map that lies in the lungs, 0 to 1; 0.25 of the film is lung."""
    actual = maps(model, images(data, 200)).abs()[:, 0]
    lungs = torch.from_numpy(data.masks[:200] & 1)
    return float(((actual * lungs).sum((1, 2)) / actual.sum((1, 2)).clamp(min=1e-12)).mean())


def relevance(model: nn.Module, samples: Tensor) -> Tensor:
    return lrp.relevance(model, samples)


def activation(model: nn.Module, samples: Tensor) -> Tensor:
    """Return Grad-CAM of what the model calls: the evidence for its answer."""
    with torch.no_grad():
        signs = model(samples)[:, 0].sign()
    outputs = torch.zeros(len(samples), dtype=torch.int64)
    return grad_cam.explain(model, samples, outputs=outputs, signs=signs).maps.detach()


def test_erm_is_perfect_where_hospitals_decide_and_useless_where_they_do_not(fair: Film) -> None:
    """Five seeds of the study: AUC inside 1.000, outside 0.5, styles exchanged 0; and no gap where all is fair."""
    fooled = learn("erm", film(3000, confounding=1.0, seed=100))
    assert auc_of(fooled, film(800, confounding=1.0, seed=101)) > 0.98
    assert auc_of(fooled, fair) < 0.65
    assert 0.35 < auc_of(fooled, film(1000, confounding=None, seed=101, name="phantom-external")) < 0.65
    assert auc_of(fooled, film(800, confounding=None, seed=101, name="phantom-deceiving")) < 0.1
    honest = learn("erm", film(4000, confounding=None, seed=102, name="phantom-III"))
    inside = auc_of(honest, film(1500, confounding=None, seed=103, name="phantom-III"))
    outside = auc_of(honest, film(1500, confounding=None, seed=103, name="phantom-external"))
    assert inside > 0.7 and abs(inside - outside) < 0.1


def test_the_findings_are_learnable_but_not_trivial(tmp_path: Path) -> None:
    """DenseNet-121 on unconfounded phantoms; 10 epochs on 3,871 images gave a test AUC of 0.933."""
    for folder, seed in (("data", 0), ("new", 1)):
        build_dataset(
            "phantom-III",
            out=tmp_path / folder,
            number_of_images=5000 if folder == "data" else 1500,
            size=SIZE,
            replicates=1,
            seed=seed,
        )
    overrides = {"epochs": 6, "labels": "COVID-19"}
    train(str(tmp_path / "data"), arch="densenet121", overrides=overrides, out=tmp_path / "run", device="cpu")
    actual = evaluate(
        [tmp_path / "run"], dataset=[str(tmp_path / "new")], split="all", out=tmp_path / "results", device="cpu"
    ).summary
    assert 0.8 <= actual["aucs"][0]["auc"] <= 0.97


@pytest.mark.parametrize("target", ["male", "ap"])
def test_probes_see_what_a_model_could_cheat_with(fair: Film, target: str) -> None:
    probe = learn("erm", film(1600, confounding=0.0, seed=104), target=target)
    assert auc_of(probe, fair, target) > 0.9


def test_erm_fails_in_the_groups_that_contradict_the_shortcut(plain: Classifier, fair: Film) -> None:
    assert worst_group_error(plain, fair) > 0.75


def test_group_dro_shrinks_the_worst_groups_error(confounded: Film, plain: Classifier, fair: Film) -> None:
    robust = learn("group-dro", confounded, groups=2 * confounded.site + confounded.sick)
    assert worst_group_error(robust, fair) < worst_group_error(plain, fair) - 0.15


def test_pgi_over_hospitals_shrinks_the_worst_groups_error(confounded: Film, plain: Classifier, fair: Film) -> None:
    robust = learn("pgi", confounded, groups=confounded.site)
    assert worst_group_error(robust, fair) < worst_group_error(plain, fair) - 0.1


def test_irm_helps_where_groups_differ_in_the_shortcut_and_not_where_they_are_it(
    confounded: Film, plain: Classifier, fair: Film
) -> None:
    agree = (confounded.site == confounded.sick).astype(np.int64)
    robust = learn("irm", confounded, groups=agree)
    assert worst_group_error(robust, fair) < worst_group_error(plain, fair) - 0.15
    fooled = learn("irm", confounded, groups=confounded.site)
    assert worst_group_error(fooled, fair) > 0.75


def test_isnet_moves_relevance_into_the_lungs(confounded: Film, plain: Classifier, fair: Film) -> None:
    guided = learn("isnet", confounded, clip=1.0, warm_up_epochs=2)
    assert share_in_lungs(relevance, guided, fair) > share_in_lungs(relevance, plain, fair) + 0.2


def test_rrr_moves_relevance_towards_the_lungs(confounded: Film, plain: Classifier, fair: Film) -> None:
    guided = learn("rrr", confounded, clip=1.0)
    assert share_in_lungs(relevance, guided, fair) > share_in_lungs(relevance, plain, fair) + 0.02


def test_gain_moves_grad_cam_into_the_lungs_but_not_relevance(confounded: Film, plain: Classifier, fair: Film) -> None:
    """The map that it learns from obeys; evidence from outside decides as before (spurious mapping)."""
    guided = learn("gain", confounded, clip=1.0)
    assert share_in_lungs(activation, guided, fair) > share_in_lungs(activation, plain, fair) + 0.12
    assert share_in_lungs(relevance, guided, fair) < share_in_lungs(relevance, plain, fair) + 0.05
