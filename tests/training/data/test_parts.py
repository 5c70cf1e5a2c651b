"""Training on real and synthetic images: the share, the persons who are held out, soft labels, and resuming."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from cxrshort.compute import Compute
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import DataError, ResumableError, UsageError
from cxrshort.models import checkpoint
from cxrshort.models.identity import training_id
from cxrshort.models.people import count_people
from cxrshort.models.predictions import role_of
from cxrshort.training import recipes
from cxrshort.training.data.parts import (
    check_mix,
    compose_parts,
    count_parts,
    describe_parts,
    held_out,
    load_training_data,
    select_parts,
)
from cxrshort.training.inputs import TrainingJob, hash_manifest
from cxrshort.training.job import train_model
from cxrshort.training.learner import make_learner
from cxrshort.training.preparation import prepare

from ..tiny import tiny_dataset, tiny_manifest, write_dataset

FP32 = Compute("cpu", "fp32", 1)


def edits_of(real: Path, folder: Path, *, name: str = "edits", **changes: Any) -> Path:
    """Write an edit of every image of a dataset: edema is added, and COVID-19 becomes a soft label or stays empty."""
    source = pd.read_csv(real / "manifest.csv", dtype={"Edema": str})
    count = len(source)
    rows = source.assign(
        image_id=source["image_id"] + "#edema",
        source_image_id=source["image_id"],
        edit="edema",
        cache=str(folder.resolve()),
        **changes,
    )
    rows["Edema"] = "1"
    folder = write_dataset(folder, rows, name=name, size=16, seed=1)
    soft = np.where(np.arange(count) % 3 == 0, "", np.where(np.arange(count) % 2 == 0, "0.35", "0.9"))
    rows.assign(**{"COVID-19": soft}).to_csv(folder / "manifest.csv", index=False)
    return folder


@pytest.fixture
def real(tmp_path: Path) -> Path:
    return tiny_dataset(tmp_path / "real", name="real", size=16)


@pytest.fixture
def edits(tmp_path: Path, real: Path) -> Path:
    return edits_of(real, tmp_path / "edits")


@pytest.fixture
def data(real: Path, edits: Path) -> Dataset:
    return load_training_data(f"{real}+{edits}")


def make_job(data: Dataset, folder: Path, **overrides: Any) -> TrainingJob:
    settings = {"epochs": 3, "batch_size": 8, "mix": 0.4, **overrides}
    return TrainingJob(data, "small-cnn", recipes.load_recipe("standard", overrides=settings), 0, 0, folder, FP32)


def test_synthetic_images_train_and_never_validate_or_test(data: Dataset) -> None:
    assert data.name == "real+edits"
    for replicate in (0, 1):
        folds = {split: data.fold(split, replicate=replicate) for split in ("train", "val", "test")}
        assert {split: int(fold.is_synthetic.sum()) for split, fold in folds.items()} == {
            "train": 24,
            "val": 0,
            "test": 0,
        }
        edited = folds["train"].manifest[folds["train"].is_synthetic]
        assert set(edited["person_id"]) <= set(folds["train"].manifest.loc[~folds["train"].is_synthetic, "person_id"])


def test_pixels_and_soft_labels_are_those_of_either_part(data: Dataset, edits: Path) -> None:
    fold = data.fold("train", replicate=0)
    synthetic = load_dataset(str(edits))
    rows = np.flatnonzero(fold.is_synthetic)
    places = pd.Index(synthetic.manifest["image_id"]).get_indexer(fold.manifest["image_id"].iloc[rows])
    np.testing.assert_array_equal(fold.pixels.take(rows), synthetic.pixels.take(places))
    labels = fold.manifest["COVID-19"].iloc[rows].to_numpy()
    np.testing.assert_array_equal(labels, synthetic.manifest["COVID-19"].to_numpy()[places])
    assert {0.35, 0.9} == {round(float(label), 2) for label in labels if not np.isnan(label)} and np.isnan(labels).any()


@pytest.mark.parametrize("disguise", ["person_id", "patient_id", "source_image_id", "image_id"])
def test_edit_of_a_held_out_person_never_trains(real: Path, tmp_path: Path, disguise: str) -> None:
    """Its own split says train, and all but one of its columns are those of somebody else."""
    source = pd.read_csv(real / "manifest.csv")
    manifest = tiny_manifest(tmp_path / "leak", name="other").head(4)
    manifest = manifest.assign(source_image_id="other/000", split_0="train", split_1="train")
    in_test = source[source["split_0"] == "test"].iloc[0]
    value = in_test["image_id"] + "#sham, then edema" if disguise == "image_id" else in_test.get(disguise, "")
    manifest.loc[0, disguise] = in_test["image_id"] + "#sham" if disguise == "source_image_id" else value
    leak = write_dataset(tmp_path / "leak", manifest, name="leak", size=16)
    data = load_training_data(f"{real}+{leak}")
    train = data.fold("train", replicate=0)
    assert manifest["image_id"][0] not in set(train.manifest["image_id"])
    assert int(train.is_synthetic.sum()) == 3
    counts = count_parts(train, share=0.3, replicate=0)
    assert (counts["synthetic"]["held_out_images"], counts["synthetic"]["held_out_persons"]) == (1, 1)
    assert describe_parts(counts)[0].startswith(
        f"an epoch shows {counts['synthetic']['real_per_epoch']} real images and "
        f"{counts['synthetic']['synthetic_per_epoch']} synthetic ones, drawn from the 3 of leak"
    )
    repeated = {"synthetic": {**counts["synthetic"], "synthetic_per_epoch": 4}}
    assert "4 synthetic ones, drawn from the 3 of leak, some more than once; real" in describe_parts(repeated)[0]
    assert describe_parts(counts)[1] == (
        "1 synthetic image of 1 person in val or test of the real dataset never trains"
    )


def test_held_out_is_judged_replicate_by_replicate(real: Path, edits: Path) -> None:
    parts = [load_dataset(str(folder)).manifest for folder in (real, edits)]
    for split in ("split_0", "split_1"):
        expected = parts[1][split] != "train"  # the edits have the splits of their sources
        np.testing.assert_array_equal(held_out(*parts, split), expected)


def test_epoch_has_the_share_and_validation_is_real(data: Dataset, tmp_path: Path) -> None:
    learner = make_learner(prepared := prepare(make_job(data, tmp_path / "run")))
    is_synthetic = prepared.folds.train.is_synthetic
    for epoch in (0, 5):
        seen = np.concatenate([batch.indices for batch in learner.batches.epoch(epoch)])
        assert len(seen) == 40 and is_synthetic[seen].sum() == 16  # 24 real ones are 6 of 10
    assert not prepared.folds.val.is_synthetic.any()
    persons = prepared.folds.train.manifest["person_id"]
    assert count_people(prepared.description.training_people, persons) == persons.nunique()


def test_loss_of_soft_labels_is_the_cross_entropy_over_labels_that_are_there(data: Dataset, tmp_path: Path) -> None:
    learner = make_learner(prepared := prepare(make_job(data, tmp_path / "run")))
    batch = next(iter(learner.batches.epoch(0)))
    assert ((batch.targets > 0) & (batch.targets < 1)).any() and batch.targets.isnan().any()
    learner.network.eval()
    with torch.no_grad():
        logits = learner.network(batch.images).double().numpy()
        loss = float(prepared.objective.forward(learner.network, batch))
    targets = batch.targets.double().numpy()
    probabilities = 1 / (1 + np.exp(-logits))
    elements = -(targets * np.log(probabilities) + (1 - targets) * np.log(1 - probabilities))
    assert loss == pytest.approx(np.nanmean(elements), rel=1e-5)  # fp32 against float64


def test_interrupted_training_resumes_to_the_same_bytes(data: Dataset, tmp_path: Path) -> None:
    job = make_job(data, tmp_path / "whole")
    summary = train_model(job)
    assert summary["synthetic"] == {
        "dataset": "edits",
        "share": 0.4,
        "images": 24,
        "real_per_epoch": 24,
        "synthetic_per_epoch": 16,
        "held_out_images": 0,
        "held_out_persons": 0,
    }
    stopped = replace(job, folder=tmp_path / "stopped")
    with pytest.raises(ResumableError):
        train_model(replace(stopped, report=_stop_after_first_epoch))
    train_model(replace(stopped, resume=True))
    whole, resumed = ((planned.folder / checkpoint.FILE).read_bytes() for planned in (job, stopped))
    assert whole == resumed
    with pytest.raises(UsageError, match="mix was '0.4' and is '0.5'"):
        train_model(replace(stopped, recipe=replace(job.recipe, mix=0.5), resume=True))


def _stop_after_first_epoch(event: Any) -> None:
    if event["event"] == "epoch":
        os.kill(os.getpid(), signal.SIGTERM)


def test_model_records_share_and_synthetic_dataset(data: Dataset, real: Path, edits: Path, tmp_path: Path) -> None:
    described = {mix: prepare(make_job(data, tmp_path / "run", mix=mix)).description for mix in (0.0, 0.4, 0.6)}
    assert len({training_id(description) for description in described.values()}) == 3
    assert described[0.4].recipe["mix"] == 0.4 and described[0.4].training.endswith("mix=0.4")
    parts = [load_dataset(str(folder)) for folder in (real, edits)]
    assert described[0.4].dataset_id == parts[0].dataset_id
    assert described[0.4].recipe["synthetic_dataset"] == parts[1].dataset_id
    assert "synthetic_dataset" not in described[0.0].recipe
    assert [role_of(described[0.4], part) for part in parts] == ["internal", "internal"]
    alone = replace(parts[1], manifest=parts[1].manifest.assign(person_id=parts[1].manifest["image_id"]))
    assert role_of(replace(described[0.4], training_people={}), alone) == "internal"


def test_shares_0_and_1_train_on_one_kind(data: Dataset, tmp_path: Path) -> None:
    for share, expected in ((0.0, False), (1.0, True)):
        prepared = prepare(make_job(data, tmp_path / "run", mix=share))
        assert set(prepared.folds.train.is_synthetic) == {expected}
        assert len(prepared.folds.val.manifest) == 12 and not prepared.folds.val.is_synthetic.any()
    assert not select_parts(data, 0.0, replicate=0).is_synthetic.any()


def test_labels_are_those_of_the_real_dataset(real: Path, tmp_path: Path) -> None:
    rows = tiny_manifest(tmp_path / "more", name="more").assign(Hernia=0.5, note="made").drop(columns="Edema")
    data = load_training_data(f"{real}+{write_dataset(tmp_path / 'more', rows, name='more', size=16)}")
    assert data.labels == ["COVID-19", "Edema"]
    assert data.manifest.loc[data.is_synthetic, "Edema"].isna().all() and data.manifest["age_years"].notna().all()


def test_hash_changes_with_either_manifest(data: Dataset) -> None:
    assert data.synthetic is not None
    fewer = replace(data.synthetic, path=None, manifest=data.synthetic.manifest.head(3))
    alone = replace(data, synthetic=None)
    assert len({hash_manifest(made) for made in (data, replace(data, synthetic=fewer), alone)}) == 3


def test_job_names_both_manifests(data: Dataset, real: Path, edits: Path, tmp_path: Path) -> None:
    job = make_job(data, tmp_path / "run")
    assert job.sources() == [str(real / "manifest.csv"), str(edits / "manifest.csv")]
    assert job.files()["synthetic manifest"] == edits / "manifest.csv"


def test_parts_that_do_not_fit_are_refused(real: Path, edits: Path, tmp_path: Path) -> None:
    first, second = (load_dataset(str(folder)) for folder in (real, edits))
    with pytest.raises(DataError, match="images made in different ways: real by {'size': 16, 'fit': 'crop'}"):
        compose_parts(first, replace(second, recipe={"size": 16, "fit": "pad"}))
    with pytest.raises(DataError, match="image_id 'real/000' in more than one row"):
        compose_parts(first, first)
    nobody = second.manifest.assign(split_0="test", split_1="")
    with pytest.raises(DataError) as caught:
        compose_parts(first, replace(second, manifest=nobody))
    assert caught.value.message == "no image of 'edits' is in 'train' of a split that 'real' has"
    numbers = second.manifest.assign(Edema="12")
    with pytest.raises(DataError, match="edits: 'Edema' holds what is no label"):
        compose_parts(first, replace(second, manifest=numbers))
    one_split = compose_parts(first, replace(second, manifest=second.manifest.drop(columns="split_1")))
    with pytest.raises(DataError) as caught:
        select_parts(one_split, 0.3, replicate=1)
    assert caught.value.message == "real+edits: no synthetic image is in 'train' of 'split_1'"


def test_share_and_synthetic_dataset_come_together(data: Dataset, real: Path) -> None:
    mixed = recipes.load_recipe("standard", overrides={"mix": 0.3})
    with pytest.raises(UsageError) as caught:
        check_mix(load_dataset(str(real)), mixed)
    assert caught.value.message == "--mix is '0.3', and 'real' is one dataset"
    with pytest.raises(UsageError) as caught:
        check_mix(data, recipes.load_recipe("standard"), named=False)
    assert caught.value.message == "'real+edits' is a real and a synthetic dataset, and --mix is missing"
    assert "0.4" in str(caught.value.hint)  # 36 of the 48 edits train in a replicate, beside 48 films
    with pytest.raises(UsageError, match="--method dfr takes no synthetic images"):
        check_mix(data, replace(mixed, method="dfr"))
