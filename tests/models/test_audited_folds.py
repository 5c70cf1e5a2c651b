import pytest

from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import DataError
from cxrshort.models.audited_folds import audited_fold
from cxrshort.models.sources.opening import Reference, describe_model
from cxrshort.verbs.train import train

from ..training.tiny import tiny_dataset


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Reference, Dataset]:
    """Return a model and the dataset that it was trained on: 12 of 24 persons."""
    folder = tmp_path_factory.mktemp("audited")
    tiny_dataset(folder / "tiny")
    cpu = {"device": "cpu", "precision": "fp32", "threads": 1}
    train(str(folder / "tiny"), arch="small-cnn", overrides={"epochs": 1}, out=folder / "run", **cpu)
    return describe_model(str(folder / "run")), load_dataset(str(folder / "tiny"))


def test_test_fold_is_that_of_evaluation(trained: tuple[Reference, Dataset]) -> None:
    fold, notes = audited_fold(*trained, "test")
    assert (fold.split, fold.role, notes) == ("test", "internal", [])
    assert set(fold.data.manifest["split_0"]) == {"test"}


def test_training_patients_are_allowed_where_they_are_asked_for_and_said(trained: tuple[Reference, Dataset]) -> None:
    fold, notes = audited_fold(*trained, "train")
    assert set(fold.data.manifest["split_0"]) == {"train"}
    assert notes == ["the model was trained on 12 of the 12 patients of this fold (--split train)"]


def test_training_patients_of_another_fold_are_refused(trained: tuple[Reference, Dataset]) -> None:
    with pytest.raises(DataError, match="was trained on 18 of the 24 patients of tiny"):
        audited_fold(*trained, "all")
