"""Who was seen in training, what is one dataset, and the table of predictions."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from cxrshort.compute import Compute
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import DataError, UsageError
from cxrshort.models import people
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import Classifier, InputSpec
from cxrshort.models.predictions import (
    Fold,
    check_datasets,
    first_rows,
    predict,
    prediction_table,
    role_of,
    unseen_fold,
)
from cxrshort.models.sources.opening import Model, Reference

from ..training.tiny import tiny_dataset

MODEL = Description("classifier", "small-cnn", ("COVID-19", "Mass"), InputSpec(16), dataset="I", dataset_id="aa")


def dataset(*persons: str, dataset_id: str = "bb", name: str = "d", images: str = "i") -> Dataset:
    names = [f"{images}{number}" for number in range(len(persons))]
    rows = pd.DataFrame({"image_id": names, "person_id": persons, "Mass": np.float32(1)})
    return Dataset(name, rows, dataset_id=dataset_id)


@pytest.mark.parametrize(
    ("persons", "role"),
    [
        (("a", "b", "x", "y"), "internal"),  # half of four persons
        (("a", "x", "y", "z"), "external"),
        (("a",), "internal"),  # the whole of a small one
        (("x", "y"), "external"),
    ],
)
def test_dataset_is_internal_where_half_of_its_persons_were_trained_on(persons, role):
    model = replace(MODEL, training_people=people.hash_people(["a", "b", "c", "d"]))
    assert role_of(model, dataset(*persons)) == role


def test_dataset_of_the_same_identity_is_internal_and_of_unknown_training_neither():
    assert role_of(MODEL, dataset("x", dataset_id="aa")) == "internal"
    assert role_of(replace(MODEL, dataset_id=""), dataset("x")) == ""


def test_images_of_one_dataset_are_scored_once():
    apart = [dataset("x"), dataset("y", dataset_id="cc"), dataset("z", images="j")]
    assert check_datasets(apart) is apart
    with pytest.raises(UsageError, match="'d' and 'e' are of one dataset and share 1 image, such as 'i0'"):
        check_datasets([dataset("x"), dataset("y", name="e")])


def test_first_rows_are_a_fold_of_the_same_kind():
    few = first_rows(Fold(dataset("x", "y", "z"), "test", "internal"), 2)
    assert few.data.manifest["person_id"].tolist() == ["x", "y"]
    assert (few.split, few.role, few.data.dataset_id) == ("test", "internal", "bb")


def test_table_has_a_row_per_image_and_no_truth_for_labels_that_the_dataset_lacks():
    reference = SimpleNamespace(description=MODEL, title="runs/a", model_id="m", training="t", training_id="u")
    logits = np.float32([[1, 2], [3, 4]])
    table = prediction_table(reference, Fold(dataset("x", "y"), "test", "external"), logits)
    assert table["image_id"].tolist() == ["i0", "i1"] and set(table["role"]) == {"external"}
    assert table["target.Mass"].tolist() == [1, 1] and table["target.COVID-19"].isna().all()
    np.testing.assert_array_equal(table[["logit.COVID-19", "logit.Mass"]], logits)


def reference(**changes: object) -> Reference:
    return Reference("run", "run", "m", replace(MODEL, **changes), {})


def test_fold_is_of_the_models_own_replicate_and_of_persons_it_never_saw(tmp_path):
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny", size=16)))
    by_fold = {split: part["person_id"] for split, part in data.manifest.groupby("split_1")}
    model = reference(replicate=1, training_people=people.hash_people(by_fold["train"]))
    fold = unseen_fold(model, data, "test")
    assert set(fold.data.manifest["person_id"]) == set(by_fold["test"])
    assert (fold.split, fold.role) == ("test", "internal")
    with pytest.raises(DataError) as caught:
        unseen_fold(reference(replicate=0, training_people=model.description.training_people), data, "test")
    seen = set(by_fold["train"]) & set(data.manifest.loc[data.manifest["split_0"] == "test", "person_id"])
    assert caught.value.message == f"'run' was trained on {len(seen)} of the 6 patients of tiny (test)"


def test_fold_of_images_made_otherwise_is_refused(tmp_path):
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny", size=16)))
    with pytest.raises(DataError, match="was trained on images made with fit 'pad'"):
        unseen_fold(reference(pixels={"fit": "pad"}), data, "test")


class Brightness(nn.Module):
    """Return the mean of an image, and its opposite; infinity for the first image of a batch where asked."""

    def __init__(self, *, infinite: bool = False) -> None:
        super().__init__()
        self.infinite = infinite

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean = images.mean((1, 2, 3))
        if self.infinite:
            mean = torch.where(torch.arange(len(mean)) == 0, torch.inf, mean)
        return torch.stack([mean, -mean], 1)


def opened(network: nn.Module, task: str = "multilabel") -> Model:
    plain = InputSpec(16, channels=1, mean=(0.0,), std=(1.0,))
    described = reference(recipe={"task": task}, spec=plain)
    return Model(described, Classifier(network, labels=MODEL.labels, spec=plain).eval())


@pytest.mark.parametrize("task", ["multilabel", "multiclass"])
def test_predictions_are_log_odds_of_every_image_in_order(tmp_path, task):
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny", size=16)))
    table = predict(opened(Brightness(), task), Fold(data, "all", "external"), Compute("cpu", "fp32", 1))
    means = np.load(tmp_path / "tiny" / "images.npy").astype(np.float64).mean((1, 2)) / 255
    assert table["image_id"].tolist() == data.manifest["image_id"].tolist()
    # Of two exclusive classes, the log-odds are the difference of their logits.
    expected = means * (2 if task == "multiclass" else 1)
    np.testing.assert_allclose(table["logit.COVID-19"], expected, rtol=1e-5)


class Crowded(Brightness):
    """Have memory for three images."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(images))
        if len(images) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().forward(images)


def test_batches_are_as_small_as_asked_and_halved_where_memory_runs_out(tmp_path):
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny", size=16)))
    fold, compute = first_rows(Fold(data, "all", "external"), 10), Compute("cpu", "fp32", 1)
    expected = predict(opened(Brightness()), fold, compute)
    for options, sizes in (({"batch_size": 2}, [2] * 5), ({"batch_size": 5, "shrink": True}, [5, 2, 2, 1, 2, 2, 1])):
        network, events = Crowded(), []
        table = predict(opened(network), fold, compute, report=events.append, **options)
        pd.testing.assert_frame_equal(table, expected)
        assert network.sizes == sizes
        assert events[0] == {"event": "images scored", "done": 0, "of": 10} and events[-1]["done"] < 10
    with pytest.raises(torch.OutOfMemoryError):
        predict(opened(Crowded()), fold, compute)


def test_outputs_that_are_no_numbers_are_counted_and_refused(tmp_path):
    data = load_dataset(str(tiny_dataset(tmp_path / "tiny", size=16)))
    with pytest.raises(DataError) as caught:
        predict(opened(Brightness(infinite=True)), Fold(data, "all", ""), Compute("cpu", "fp32", 1))
    assert caught.value.message == "'run' returns no number for 1 of 48 images of tiny"
