"""Classifiers of an audit: labels, scores of the original images, and operating points of other images."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cxrshort.dataset import load_dataset
from cxrshort.generative.cyclegan.audit.classifiers import (
    HALF,
    YOUDEN,
    AuditedClassifier,
    open_classifier,
    probability,
)
from cxrshort.models import factory
from cxrshort.models.people import hash_people
from cxrshort.models.sources.opening import Reference, describe_model

from .audited import COMPUTE, choose, make_home


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("classifiers"), people=40)


def opened(home: Path, reference: Reference | None = None, *, split: str = "test") -> AuditedClassifier:
    return open_classifier(
        reference or describe_model(str(home / "run")),
        "COVID-19",
        replace(choose(home), split=split),
        whole=load_dataset(str(home / "tiny")),
        replicate=0,
        compute=COMPUTE,
        batch_size=16,
    )


def test_logits_and_spread_are_those_of_the_audited_images(home: Path) -> None:
    classifier, images = opened(home), choose(home)
    model, _ = factory.load_model(home / "run" / "model.safetensors")
    pixels = images.data.pixels.take(range(len(images.data.manifest)))
    with torch.inference_mode():
        logits = model.eval()(torch.from_numpy(pixels[:, None].astype(np.float32) / 255)).numpy()
    assert np.allclose(classifier.logits, logits[:, 0], rtol=1e-4, atol=1e-5)
    assert classifier.spread == pytest.approx(logits[:, 0].std(ddof=1), rel=1e-3)
    assert classifier.role == "internal"


def test_operating_point_is_that_of_its_own_validation_fold(home: Path) -> None:
    classifier = opened(home)
    fold = load_dataset(str(home / "tiny")).fold("val", replicate=0)
    model, _ = factory.load_model(home / "run" / "model.safetensors")
    with torch.inference_mode():
        pixels = fold.pixels.take(range(len(fold.manifest)))
        scores = model.eval()(torch.from_numpy(pixels[:, None].astype(np.float32) / 255)).numpy()[:, 0]
    truth = fold.manifest["COVID-19"].to_numpy(dtype=float)
    best = max(
        np.mean(scores[truth == 1] >= level - 1e-6) + np.mean(scores[truth == 0] < level - 1e-6) for level in scores
    )
    own = classifier.thresholds[YOUDEN] - 1e-6
    assert np.mean(scores[truth == 1] >= own) + np.mean(scores[truth == 0] < own) == pytest.approx(best)
    assert classifier.thresholds[HALF] == 0 and classifier.notes == []


def test_without_such_images_decisions_are_at_a_half_alone(home: Path) -> None:
    reference = describe_model(str(home / "run"))
    persons = load_dataset(str(home / "tiny")).manifest["person_id"]
    other = replace(reference.description, dataset_id="elsewhere", training_people=hash_people(persons), replicate=1)
    for classifier, reason in (
        (
            opened(home, replace(reference, description=other)),
            "it was trained on patients of the validation fold of tiny",
        ),
        (opened(home, split="all"), "images of every fold are audited (--split all)"),
    ):
        assert list(classifier.thresholds) == [HALF]
        assert [note.partition("alone: ")[2] for note in classifier.notes] == [reason]


def test_probability_of_extreme_log_odds_is_a_number() -> None:
    assert (probability(-5000.0), probability(5000.0)) == (0.0, 1.0)
    assert probability(np.log(3.0)) == pytest.approx(0.75)
