"""Which images are audited: of both sides, of the fold that no model has seen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cxrshort.dataset import load_dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.generative.cyclegan.audit.images import AuditedImages, predicted_direction
from cxrshort.models.people import hash_people

from ....training.tiny import tiny_dataset
from .audited import choose, description


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audited-images")
    tiny_dataset(folder / "tiny", people=24)
    return folder


def people_of(home: Path, fold: str) -> dict:
    return hash_people(load_dataset(str(home / "tiny")).fold(fold, replicate=0).manifest["person_id"])


def test_images_of_each_side_start_the_direction_to_the_other(home: Path) -> None:
    images = choose(home)
    manifest = images.data.manifest
    assert (manifest["COVID-19"].to_numpy(dtype=float)[images.started("to")] == 0).all()
    assert (manifest["COVID-19"].to_numpy(dtype=float)[images.started("from")] == 1).all()
    assert len(images.started("to")) == len(images.started("from")) == 6
    assert set(manifest["split_0"]) == {"test"} and images.goal("to") == "COVID-19 == 1"
    assert np.array_equal(images.data.pixels.take(range(12)), load_dataset(str(home / "tiny")).fold(
        "test", replicate=0).pixels.take(range(12)))  # fmt: skip


def test_sample_is_that_of_the_seed_and_counted(home: Path) -> None:
    names = [choose(home, images=4, seed=seed).data.manifest["image_id"].tolist() for seed in (0, 0, 1)]
    assert len(names[0]) == 8 and names[0] == names[1] != names[2]
    assert choose(home, images=4).notes == [
        f"4 of the 6 images of the side 'COVID-19 == {truth}' are transformed" for truth in (0, 1)
    ]
    assert choose(home, images=6).notes == []


@pytest.mark.parametrize("name", ["gan", "classifier"])
def test_model_of_the_same_patients_is_refused(home: Path, name: str) -> None:
    models = {"gan": description(), "classifier": description()}
    models[name] = description(training_people=people_of(home, "test"))
    with pytest.raises(DataError) as caught:
        choose(home, models=models)
    assert caught.value.message == f"'{name}' was trained on 6 of the 6 patients of tiny (test)"
    assert caught.value.hint == "--split test takes the fold that training never saw"


def test_classifier_of_another_replicate_is_refused_with_a_way_out(home: Path) -> None:
    other = replace(description(training_people=people_of(home, "test")), replicate=1)
    with pytest.raises(DataError) as caught:
        choose(home, models={"gan": description(), "classifier": other})
    assert caught.value.message.endswith("patients of tiny (test), which are of replicate 0")
    assert caught.value.hint == "audit classifiers of replicate 0"


def test_training_images_are_counted_where_they_are_asked_for(home: Path) -> None:
    models = {"gan": description(training_people=people_of(home, "train"))}
    assert choose(home, models=models, split="train").notes == [
        "'gan' was trained on 12 of the 12 patients of tiny (train)"
    ]


@pytest.mark.parametrize(
    ("expressions", "message"),
    [
        ({"from": "COVID-19 == 7", "to": "COVID-19 == 1"}, "no image of tiny (test) is on the side 'COVID-19 == 7'"),
        ({"from": "COVID-19 >= 0", "to": "COVID-19 == 1"}, "6 images of tiny are on both sides of 'gan', such as"),
    ],
)
def test_empty_side_and_images_on_both_sides_are_refused(home: Path, expressions: dict, message: str) -> None:
    with pytest.raises(DataError) as caught:
        choose(home, expressions=expressions)
    assert caught.value.message.startswith(message)


def test_colour_is_refused(home: Path, tmp_path: Path) -> None:
    tiny_dataset(tmp_path / "tiny", people=24)
    np.save(tmp_path / "tiny" / "images.npy", np.zeros((48, 3, 32, 32), np.uint8))
    with pytest.raises(UsageError, match="tiny is in colour, and a CycleGAN takes grey images"):
        choose(tmp_path)


def with_labels(images: AuditedImages, label: str, truth: list[float]) -> AuditedImages:
    return replace(images, data=replace(images.data, manifest=images.data.manifest.assign(**{label: truth})))


@pytest.mark.parametrize(
    ("of_from", "of_to", "to"),
    [(0.0, 1.0, "increase"), (1.0, 0.0, "decrease"), (1.0, 1.0, "either"), (np.nan, 1.0, "either")],
)
def test_direction_is_that_of_the_labels_of_the_original_images(
    home: Path, of_from: float, of_to: float, to: str
) -> None:
    images = choose(home)
    truth = np.full(len(images.data.manifest), of_from)
    truth[images.rows["to"]] = of_to
    labelled = with_labels(images, "Hernia", truth.tolist())
    reverse = {"increase": "decrease", "decrease": "increase", "either": "either"}
    assert predicted_direction(labelled, "Hernia", "to") == to
    assert predicted_direction(labelled, "Hernia", "from") == reverse[to]
    assert predicted_direction(images, "no such label", "to") == "either"
