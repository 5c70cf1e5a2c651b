from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr

from cxrshort.compute import Compute
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import CxrshortError, DataError, UsageError
from cxrshort.models import factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.scoring import score
from cxrshort.stats.auc import auc, auc_interval, macro_auc_limits
from cxrshort.stats.midranks import Sample
from cxrshort.training import recipes
from cxrshort.training.data.folds import Folds

from ..tiny import tiny_manifest, write_dataset


def load(folder: Path, change: dict[str, object] | None = None) -> Dataset:
    manifest = tiny_manifest(folder)
    write_dataset(folder, manifest, size=16)
    manifest.assign(**(change or {})).to_csv(folder / "manifest.csv", index=False)
    return load_dataset(str(folder))


def cut(data: Dataset, *, recipe: str = "standard", replicate: int = 0, **overrides: str) -> Folds:
    chosen = recipes.load_recipe(recipe, overrides=overrides)
    return Folds.cut(data, chosen, replicate=replicate, explicit_label="select_label" in overrides)


def refused(data: Dataset, **overrides: str) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        cut(data, **overrides)
    return caught.value


def test_cut_gives_the_replicates_own_folds_and_never_test(tmp_path: Path) -> None:
    data = load(tmp_path / "tiny")
    for replicate in (0, 1):
        folds = cut(data, replicate=replicate)
        column = data.manifest[f"split_{replicate}"]
        assert set(folds.train.manifest["image_id"]) == set(data.manifest["image_id"][column == "train"])
        assert set(folds.val.manifest["image_id"]) == set(data.manifest["image_id"][column == "val"])
        assert folds.labels == ("COVID-19", "Edema")
        np.testing.assert_array_equal(folds.train_targets[:, 0], folds.train.manifest["COVID-19"])


def test_empty_labels_stay_empty_or_become_zero_as_the_recipe_says(tmp_path: Path) -> None:
    data = load(tmp_path / "tiny")
    masked, zeroed = cut(data), cut(data, recipe="degrave2021")
    empty = np.isnan(masked.train_targets)
    assert empty[:, 1].any() and not empty[:, 0].any()
    np.testing.assert_array_equal(zeroed.train_targets, np.nan_to_num(masked.train_targets))


def test_label_without_both_classes_in_training_is_no_output(tmp_path: Path) -> None:
    data = load(tmp_path / "tiny", {"Mass": 0, "Hernia": ""})
    assert cut(data).labels == ("COVID-19", "Edema")
    assert set(cut(data).left_out) == {"Mass", "Hernia"}


def test_empty_read_as_zero_keeps_every_label(tmp_path: Path) -> None:
    data = load(tmp_path / "tiny", {"Mass": 0})
    folds = cut(data, recipe="degrave2021")
    empty = data.fold("train", replicate=0).manifest["Edema"].isna()
    assert folds.read_as_zero == empty.sum() > 0
    assert cut(data).read_as_zero == 0
    assert folds.labels == ("COVID-19", "Edema", "Mass")
    assert folds.left_out == ()


def test_labels_may_be_chosen_and_stand_in_the_given_order(tmp_path: Path) -> None:
    data = load(tmp_path / "tiny")
    assert cut(data, labels="Edema, COVID-19").labels == ("Edema", "COVID-19")
    assert cut(data, labels="Edema").measure == "AUC of Edema"


@pytest.mark.parametrize(
    ("overrides", "message", "hint"),
    [
        ({"labels": "Edemma"}, "'Edemma' is not a known label", "did you mean 'Edema'?"),
        ({"labels": "Edema,Edema"}, "--labels names 'Edema' twice", "name each label once"),
        ({"select_label": "Covid"}, "'Covid' is not a known label of this model", "did you mean 'COVID-19'?"),
        (
            {"labels": "Edema", "select_label": "COVID-19"},
            "'COVID-19' is not a known label of this model",
            "one of: Edema",
        ),
    ],
)
def test_unknown_label_is_refused(tmp_path: Path, overrides: dict[str, str], message: str, hint: str) -> None:
    error = refused(load(tmp_path / "tiny"), **overrides)
    assert isinstance(error, UsageError)
    assert (error.message, error.hint) == (message, hint)


@pytest.mark.parametrize(
    ("value", "have"), [("0", "no positive"), ("1", "no negative"), ("", "no labelled"), ("0.5", "no labelled")]
)
@pytest.mark.parametrize("split", ["train", "val"])
def test_selecting_label_needs_both_classes_in_both_folds(tmp_path: Path, split: str, value: str, have: str) -> None:
    manifest = tiny_manifest(tmp_path)
    column = manifest["COVID-19"].astype(str).where(manifest["split_0"] != split, value)
    error = refused(load(tmp_path / "tiny", {"COVID-19": column}), labels="COVID-19,Edema")
    assert isinstance(error, DataError)
    assert error.message == f"tiny: label 'COVID-19' has {have} image in '{split}' of 'split_0'"
    assert error.hint == "choose another --select-label or --replicate"


def test_the_class_for_the_rest_holds_what_is_of_no_class_and_nothing_unknown(tmp_path: Path) -> None:
    data = load(tmp_path / "tiny")
    first = data.manifest["COVID-19"].astype(float)
    second = (1 - first).where(data.manifest.index % 3 > 0, 0.0).where(data.manifest.index % 5 > 0)
    data = load(tmp_path / "three", {"Mass": second})
    folds = cut(data, task="multiclass", labels="COVID-19,Mass", rest_class="Others")
    assert folds.labels == ("COVID-19", "Mass", "Others")
    covid, mass, rest = folds.train_targets.T
    assert (rest == 1).any() and (mass == 1).any()
    np.testing.assert_array_equal(rest, np.where(np.isnan(mass), np.nan, (covid == 0) & (mass == 0)))
    error = refused(data, task="multiclass", labels="COVID-19,Mass", rest_class="Mass")
    assert error.message == "--rest-class is 'Mass', which is one of --labels"


def test_mean_over_labels_needs_one_label_with_both_classes_in_val(tmp_path: Path) -> None:
    manifest = tiny_manifest(tmp_path)
    edema = manifest["Edema"].where(manifest["split_0"] != "val", "1")
    data = load(tmp_path / "tiny", {"Edema": edema, "Mass": edema})
    error = refused(data, labels="Edema,Mass")
    assert isinstance(error, DataError)
    assert error.message == "tiny: no label has both classes in 'val' of 'split_0', so nothing can choose the epoch"
    assert error.hint == "choose another --replicate, or build a larger dataset"
    error = refused(data, labels="Edema")
    assert error.message == "tiny: label 'Edema' has no negative image in 'val' of 'split_0'"


def test_no_label_to_learn_is_refused(tmp_path: Path) -> None:
    error = refused(load(tmp_path / "tiny", {"COVID-19": 1, "Edema": 0}))
    assert isinstance(error, DataError)
    assert error.message == "tiny: no label has both classes in the training fold"


def test_validate_equals_auc_and_loss_computed_apart(tmp_path: Path) -> None:
    data = load(tmp_path / "tiny")
    compute = Compute("cpu", "fp32", 1)
    folds = cut(data)
    model = factory.build_model(Description("classifier", "small-cnn", folds.labels, InputSpec(size=16)), seed=2)
    logits = score(model, folds.val.pixels, compute=compute).astype(float)
    truth = folds.val_targets.astype(float)
    log_odds = pd.DataFrame(logits * np.where(truth == 1, 1, -1)).where(~np.isnan(truth))
    expected = np.log1p(np.exp(-log_odds)).stack().mean()
    measures = folds.validate(model, compute)
    assert measures["val_loss"] == pytest.approx(expected, rel=1e-5)  # fp32 sums
    assert measures["score"] == auc(truth[:, 0], logits[:, 0])
    persons = folds.val.manifest["person_id"].to_numpy()
    selecting = auc_interval(truth[:, 0], logits[:, 0], persons)
    assert (measures["score_low"], measures["score_high"]) == (selecting.low, selecting.high)
    mean = replace(folds, select=None).validate(model, compute)
    expected_limits = macro_auc_limits([Sample(truth[:, label], logits[:, label], persons) for label in (0, 1)])
    assert (mean["score_low"], mean["score_high"]) == expected_limits != (selecting.low, selecting.high)
    both = cut(data, select_label="COVID-19", labels="Edema,COVID-19")
    assert both.measure == "AUC of COVID-19"


def test_logits_of_another_model_are_judged_as_those_of_the_one_that_learns(tmp_path: Path) -> None:
    compute, folds = Compute("cpu", "fp32", 1), cut(load(tmp_path / "tiny"))
    model = factory.build_model(Description("classifier", "small-cnn", folds.labels, InputSpec(size=16)), seed=2)
    logits = score(model, folds.val.pixels, compute=compute)
    assert folds.judge(logits) == folds.validate(model, compute)
    logits[3, 0] = np.nan
    assert folds.judge(logits) == pytest.approx({"val_loss": np.nan, "score": np.nan}, nan_ok=True)


class Brightness(torch.nn.Module):
    """Return the mean of each image."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((1, 2, 3))[:, None]


def test_validation_of_a_number_is_its_rank_correlation_without_limits(tmp_path: Path) -> None:
    folds = cut(load(tmp_path / "tiny"), task="regression", labels="age_years")
    measures = folds.validate(Brightness(), Compute("cpu", "fp32", 1))
    bright = folds.val.pixels.take(np.arange(len(folds.val.manifest))).mean(axis=(1, 2))
    assert set(measures) == {"val_loss", "score"}
    assert measures["score"] == pytest.approx(spearmanr(folds.val_targets[:, 0], bright).statistic)


@pytest.mark.parametrize(
    ("targets", "scores", "expected"),
    [
        ([np.nan, 3, 4], [9, 0, 1], 1),
        ([3, 4], [1, 0], -1),
        ([np.nan, 3], [0, 1], 0),
        ([3, 3], [0, 1], 0),
        ([3, 5], [1, 1], 0),
    ],
)
def test_rank_correlation_is_0_where_there_is_nothing_to_rank(
    tmp_path: Path, targets: list[float], scores: list[float], expected: float
) -> None:
    folds = cut(load(tmp_path / "tiny"), task="regression", labels="age_years")
    assert folds._measure(np.float32(targets), np.float32(scores)) == pytest.approx(expected)


@pytest.mark.parametrize("beyond", [-0.5, 1.5])
def test_numbers_beyond_0_to_1_are_no_labels(tmp_path: Path, beyond: float) -> None:
    folds = cut(load(tmp_path / "tiny"))
    targets = folds.train_targets.copy()
    targets[3, 1] = beyond
    with pytest.raises(UsageError) as caught:
        replace(folds, train_targets=targets).check("tiny", replicate=0)
    assert caught.value.message == "'Edema' holds numbers beyond 0 to 1, which are no labels"


def test_groups_of_the_training_fold_are_cut_where_the_recipe_names_them(tmp_path: Path) -> None:
    data = load(tmp_path / "tiny")
    folds = cut(data, method="group-dro", group="view")
    assert folds.groups is not None and cut(data).groups is None
    np.testing.assert_array_equal(folds.groups, folds.train.manifest["view"] == "PA")
