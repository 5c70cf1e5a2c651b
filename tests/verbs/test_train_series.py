"""Replicates, ensembles and searches: several trainings by one command."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxrshort.compute import choose_compute
from cxrshort.dataset import load_dataset
from cxrshort.errors import CxrshortError, ResumableError
from cxrshort.models import checkpoint, factory
from cxrshort.models.scoring import score
from cxrshort.models.sources import opening
from cxrshort.stats.auc import auc
from cxrshort.training import sweeps
from cxrshort.verbs.evaluate import evaluate
from cxrshort.verbs.train import train

from ..cli.console import cxrshort_here
from ..training.tiny import tiny_dataset, tiny_manifest, tree, write_dataset

QUICK: dict[str, Any] = {"arch": "small-cnn", "device": "cpu", "precision": "fp32", "threads": 1}


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return str(tiny_dataset(tmp_path / "tiny"))


def fails(*arguments: object, **options: object) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        train(*arguments, **{**QUICK, **options})  # type: ignore[arg-type]
    return caught.value


def model_bytes(folder: Path) -> bytes:
    return (folder / checkpoint.FILE).read_bytes()


def interrupted_after_epochs(dataset: str, epochs: int, **options: Any) -> None:
    """Train until so many epochs have ended in all, then ask it to stop."""
    seen = []

    def watch(event: Any) -> None:
        seen.append(event["event"])
        if event["event"] == "epoch" and seen.count("epoch") == epochs:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(ResumableError):
        train(dataset, report=watch, **options)


def test_replicates_are_the_runs_that_train_alone_would_make(tiny: str, tmp_path: Path) -> None:
    message: list[Any] = []
    result = train(
        tiny, replicates=2, overrides={"epochs": 1}, out=tmp_path / "both", report=message.append, **QUICK
    ).summary
    for replicate in (0, 1):
        alone = tmp_path / f"alone-{replicate}"
        train(tiny, replicate=replicate, overrides={"epochs": 1}, out=alone, **QUICK)
        assert model_bytes(tmp_path / "both" / f"replicate-{replicate}") == model_bytes(alone)
    scores = [summary["selection"]["score"] for summary in result["replicates"]]
    record = json.loads((tmp_path / "both" / "run.json").read_text())
    assert (record["verb"], record["state"], record["outputs"]) == ("train", "done", [])
    assert record["series"] == ["replicate-0", "replicate-1"] and list(record["inputs"]) == ["manifest"]
    assert {**record["summary"], "folder": str(tmp_path / "both")} == result
    assert (result["mean"], result["deviation"]) == (np.mean(scores), pytest.approx(np.std(scores, ddof=1)))
    assert {folder["run"] for folder in message} == {"replicate 0 (1 of 2)", "replicate 1 (2 of 2)"}
    actual = evaluate([tmp_path / "both"], dataset=[tiny], out=tmp_path / "results", device="cpu", threads=1).summary
    assert [row["replicates"] for row in actual["means"]] == [2]


def test_replicates_without_out_are_siblings_in_the_usual_place(tiny: str, tmp_path: Path) -> None:
    train(tiny, replicates=2, recipe="standard", **QUICK)
    parent = tmp_path / "runs" / "tiny" / "small-cnn" / "erm"
    assert sorted(path.name for path in parent.iterdir()) == ["replicate-0", "replicate-1", "run.json"]
    train(tiny, replicates=1, name="again", overrides={"epochs": 1}, **QUICK)
    assert (parent / "again" / "replicate-0" / checkpoint.FILE).exists()


def test_replicates_go_on_where_they_were_interrupted(tiny: str, tmp_path: Path) -> None:
    options = {"replicates": 2, "overrides": {"epochs": 2}, **QUICK}
    train(tiny, out=tmp_path / "whole", **options)
    interrupted_after_epochs(tiny, 3, out=tmp_path / "halves", **options)
    assert not (tmp_path / "halves" / "replicate-1" / checkpoint.FILE).exists()
    train(tiny, out=tmp_path / "halves", resume=True, **options)
    for replicate in ("replicate-0", "replicate-1"):
        assert model_bytes(tmp_path / "halves" / replicate) == model_bytes(tmp_path / "whole" / replicate)


def test_replicates_are_refused_before_any_work_when_one_is_there(tiny: str, tmp_path: Path) -> None:
    train(tiny, replicate=1, overrides={"epochs": 1}, out=tmp_path / "both" / "replicate-1", **QUICK)
    error = fails(tiny, replicates=2, overrides={"epochs": 1}, out=tmp_path / "both")
    assert error.message == f"'{tmp_path / 'both' / 'replicate-1'}' exists already"
    assert not (tmp_path / "both" / "replicate-0").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"replicates": 0}, "--replicates is '0', it must be 1 or more"),
        ({"replicates": 2, "replicate": 1}, "--replicate chooses one split and --replicates takes all"),
        ({"overrides": {"members": 0}}, "--members is '0', it must be from 1 to 1000"),
        ({"overrides": {"members": 2, "task": "regression"}}, "--members takes classifiers alone"),
        ({"overrides": {"combine": "median"}}, "'median' is not a known way to combine"),
        ({"grid": ["lr=0.1,fast"]}, "--grid learning-rate is 'fast', it must be a number"),
    ],
)
def test_series_refuses(tiny: str, options: dict[str, Any], message: str) -> None:
    assert fails(tiny, **options).message == message


def test_series_is_refused_in_the_folder_of_a_run(tiny: str, tmp_path: Path) -> None:
    train(tiny, overrides={"epochs": 1}, out=tmp_path / "run", **QUICK)
    for force in (False, True):
        error = fails(tiny, replicates=2, out=tmp_path / "run", force=force)
        assert error.message == f"'{tmp_path / 'run'}' holds a run of 'train', not a series"
        plan = train(tiny, replicates=2, out=tmp_path / "run", force=force, dry_run=True, **QUICK).summary
        assert [(output["fate"], output["reason"]) for output in plan["outputs"]] == [("refused", error.message)] * 2
    assert not (tmp_path / "run" / "replicate-0").exists() and model_bytes(tmp_path / "run")


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        (
            {"replicates": 9},
            "--replicates is '9', and 'tiny' has 2 splits",
            "--replicates 2; or build-dataset with --replicates 9",
        ),
        (
            {"replicate": 4},
            "--replicate is '4', and 'tiny' has 2 splits",
            "choose --replicate from 0 to 1; or build-dataset with --replicates 5",
        ),
    ],
)
def test_replicates_that_the_dataset_lacks_are_refused_before_any_work(
    tiny: str, tmp_path: Path, dry_run: bool, options: dict[str, Any], message: str, hint: str
) -> None:
    error = fails(tiny, dry_run=dry_run, out=tmp_path / "runs", **options)
    assert (error.message, error.hint, error.exit_code) == (message, hint, 2)
    assert not (tmp_path / "runs").exists()


def test_grid_keeps_the_best_trial_and_lists_all(tiny: str, tmp_path: Path) -> None:
    grid = ["lr=1e-3,1e-5", "batch-size=8,16"]
    result = train(tiny, grid=grid, overrides={"epochs": 2}, out=tmp_path / "grid", **QUICK).summary
    table = pd.read_csv(tmp_path / "grid" / sweeps.TRIALS)
    assert list(table.columns) == ["trial", "learning_rate", "batch_size", "measure", "score", "epoch"]
    assert list(zip(table["learning_rate"], table["batch_size"], strict=True)) == [
        (1e-3, 8), (1e-3, 16), (1e-5, 8), (1e-5, 16)
    ]  # fmt: skip
    assert table["trial"].tolist() == [1, 2, 3, 4]
    best = int(table["score"].idxmax()) + 1
    kept, trial = (
        factory.load_model(tmp_path / "grid" / folder / checkpoint.FILE) for folder in (".", f"trial-{best}")
    )
    assert all((value == trial[0].state_dict()[name]).all() for name, value in kept[0].state_dict().items())
    assert kept[1].recipe == trial[1].recipe
    assert kept[1].selection == {
        **trial[1].selection, "trials": 4, "trial": best, "searched": ["learning_rate", "batch_size"]
    }  # fmt: skip
    assert result["selection"] == kept[1].selection
    assert json.loads((tmp_path / "grid" / "run.json").read_text())["summary"] == result
    assert opening.expand_name(str(tmp_path / "grid")) == [str(tmp_path / "grid" / checkpoint.FILE)]


def test_trial_that_diverges_is_listed_and_the_others_go_on(tiny: str, tmp_path: Path) -> None:
    train(tiny, grid=["lr=1e30,1e-3"], overrides={"epochs": 1, "optimizer": "sgd"}, out=tmp_path / "grid", **QUICK)
    table = pd.read_csv(tmp_path / "grid" / sweeps.TRIALS)
    assert table["failure"].str.contains("nothing was saved before it").tolist()[0] and table["score"].isna()[0]
    assert checkpoint.read_description(tmp_path / "grid" / checkpoint.FILE).selection["trial"] == 2
    error = fails(tiny, grid=["lr=1e30"], overrides={"epochs": 1, "optimizer": "sgd"}, out=tmp_path / "all")
    assert error.exit_code == 1 and not (tmp_path / "all" / "run.json").exists()


def test_grid_goes_on_where_it_was_interrupted(tiny: str, tmp_path: Path) -> None:
    options = {"grid": ["lr=1e-3,1e-4"], "overrides": {"epochs": 2}, **QUICK}
    train(tiny, out=tmp_path / "whole", **options)
    interrupted_after_epochs(tiny, 3, out=tmp_path / "halves", **options)
    summary = train(tiny, out=tmp_path / "halves", resume=True, **options).summary
    assert model_bytes(tmp_path / "halves") == model_bytes(tmp_path / "whole")
    assert (tmp_path / "halves" / sweeps.TRIALS).read_bytes() == (tmp_path / "whole" / sweeps.TRIALS).read_bytes()
    assert train(tiny, out=tmp_path / "halves", resume=True, **options).summary == summary


@pytest.mark.parametrize("combine", ["mean", "quadratic"])
def test_members_vote_with_their_probabilities(tiny: str, tmp_path: Path, combine: str) -> None:
    overrides = {"epochs": 1, "members": 3, "combine": combine}
    summary = train(tiny, overrides=overrides, seed=5, out=tmp_path / "run", **QUICK).summary
    fold = load_dataset(tiny).fold("val", replicate=0)
    compute = choose_compute("cpu", precision="fp32", threads=1)
    model, description = factory.load_model(tmp_path / "run" / checkpoint.FILE)
    probabilities = []
    for number in range(3):
        member, known = factory.load_model(tmp_path / "run" / f"member-{number}" / checkpoint.FILE)
        assert (known.seed, known.recipe["members"]) == (5 + number, 1)
        probabilities.append(1 / (1 + np.exp(-score(member, fold.pixels, compute=compute).astype(np.float64))))
    power = 1 if combine == "mean" else 2
    expected = np.mean(np.array(probabilities) ** power, axis=0) ** (1 / power)
    logits = score(model, fold.pixels, compute=compute)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), expected, atol=1e-6)
    assert (description.kind, description.members, description.seed) == ("ensemble", 3, 5)
    assert (description.recipe["members"], description.recipe["combine"]) == (3, combine)
    assert summary["selection"]["score"] == auc(fold.manifest["COVID-19"], logits[:, 0])
    evaluate([tmp_path / "run"], dataset=[tiny], out=tmp_path / "results", device="cpu", threads=1)


def test_members_of_exclusive_classes_average_a_softmax(tmp_path: Path) -> None:
    table = tiny_manifest(tmp_path / "classes")
    table = table.assign(Normal=1 - table["COVID-19"])
    tiny = str(write_dataset(tmp_path / "classes", table))
    overrides = {"epochs": 1, "members": 2, "task": "multiclass", "labels": "COVID-19,Normal"}
    train(tiny, overrides=overrides, out=tmp_path / "run", **QUICK)
    fold = load_dataset(tiny).fold("val", replicate=0)
    compute = choose_compute("cpu", precision="fp32", threads=1)

    def softmax(folder: Path) -> Any:
        values = np.exp(score(factory.load_model(folder / checkpoint.FILE)[0], fold.pixels, compute=compute))
        return values / values.sum(axis=1, keepdims=True)

    members = [softmax(tmp_path / "run" / f"member-{number}") for number in (0, 1)]
    np.testing.assert_allclose(softmax(tmp_path / "run"), np.mean(members, axis=0), atol=1e-6)


def test_replicates_of_searched_ensembles(tiny: str, tmp_path: Path) -> None:
    """All three at once: each replicate searches, and each trial is an ensemble."""
    options = {"replicates": 2, "grid": ["lr=1e-3,1e-4"], "overrides": {"epochs": 1, "members": 2}}
    result = train(tiny, out=tmp_path / "runs", **options, **QUICK).summary
    assert len(result["replicates"]) == 2
    for replicate in (0, 1):
        description = checkpoint.read_description(tmp_path / "runs" / f"replicate-{replicate}" / checkpoint.FILE)
        assert (description.kind, description.replicate) == ("ensemble", replicate)
        assert description.selection["trials"] == 2


def test_dry_run_of_a_series_counts_all_runs(tiny: str, tmp_path: Path) -> None:
    options = {"replicates": 2, "grid": ["members=1,3", "lr=0.1,0.2"], "overrides": {"epochs": 1}}
    result = train(tiny, dry_run=True, out=tmp_path / "runs", **options, **QUICK).summary
    assert result["runs"] == 2 * (1 + 3) * 2 and not (tmp_path / "runs").exists()


def test_series_print_what_each_run_reached(tiny: str, tmp_path: Path) -> None:
    common = ["train", "--dataset", tiny, "--arch", "small-cnn", "--epochs", "1", "--threads", "1", "--device", "cpu"]
    completed = cxrshort_here(*common, "--replicates", "2", "--out", tmp_path / "two")
    assert completed.exit_code == 0, completed.stderr
    assert completed.stderr.startswith("replicate 0 (1 of 2), epoch 1: loss ")
    lines = completed.stdout.splitlines()
    assert lines[0].split("  ")[0] == "replicate" and "validation AUC of COVID-19" in lines[0]
    assert lines[-2].startswith("mean ") and lines[-2].endswith(" over 2")
    assert lines[-1] == f"written to {tmp_path / 'two'}"
    completed = cxrshort_here(*common, "--grid", "lr=1e-3,1e-4", "--out", tmp_path / "grid", "--quiet")
    assert completed.stdout.splitlines()[0].split("   ")[:2] == ["trial", "learning rate"]
    assert any(line.startswith("trial ") and line.endswith(" of 2 is kept") for line in completed.stdout.splitlines())
    completed = cxrshort_here(*common, "--members", "2", "--out", tmp_path / "vote", "--quiet")
    assert "the mean of the probabilities of 2 members has a validation AUC of COVID-19 of " in completed.stdout


def test_parent_with_an_unfinished_replicate_is_not_evaluated_without_it(tiny: str, tmp_path: Path) -> None:
    options = {"replicates": 2, "overrides": {"epochs": 2}, **QUICK}
    interrupted_after_epochs(tiny, 3, out=tmp_path / "halves", **options)
    with pytest.raises(CxrshortError) as caught:
        evaluate([tmp_path / "halves"], dataset=[tiny], out=tmp_path / "results", device="cpu", threads=1)
    assert caught.value.message == f"'{tmp_path / 'halves' / 'replicate-1'}' is not complete"


def test_name_of_a_run_is_never_too_long_for_a_file_system(tiny: str, tmp_path: Path) -> None:
    group = " or ".join(f"age_years == {number % 12 + 40}" for number in range(24))
    overrides = {"epochs": 1, "method": "group-dro", "group": group}
    first = Path(train(tiny, overrides=overrides, **QUICK).summary["model"]).parent
    second = Path(
        train(tiny, overrides={**overrides, "group": f"{group} or sex == 'M'"}, **QUICK).summary["model"]
    ).parent
    assert first != second and max(len(first.name), len(second.name)) < 200


def test_models_trained_otherwise_are_told_apart(tiny: str, tmp_path: Path) -> None:
    """Two trainings of one method on one split are not replicates of each other."""
    for name, rate in (("a", 1e-3), ("b", 1e-4)):
        train(tiny, replicates=2, overrides={"epochs": 1, "learning_rate": rate}, out=tmp_path / name, **QUICK)
    models = [tmp_path / name for name in ("a", "b")]
    actual = evaluate(models, dataset=[tiny], out=tmp_path / "results", device="cpu", threads=1).summary
    assert [(row["training"], row["replicates"]) for row in actual["means"]] == [
        ("tiny/small-cnn/erm, epochs=1", 2),
        ("tiny/small-cnn/erm, epochs=1, learning-rate=0.0001", 2),
    ]
    for seed in (0, 1):
        train(tiny, seed=seed, overrides={"epochs": 1}, out=tmp_path / f"seed-{seed}", **QUICK)
    models = [tmp_path / f"seed-{seed}" for seed in (0, 1)]
    actual = evaluate(models, dataset=[tiny], out=tmp_path / "seeds", device="cpu", threads=1).summary
    names = [f"tiny/small-cnn/erm, epochs=1 ({tmp_path / name})" for name in ("seed-0", "seed-1")]
    assert [row["training"] for row in actual["means"]] == names


def test_classifier_of_the_foreground_is_judged_behind_masks(tmp_path: Path) -> None:
    from cxrshort.verbs.build_dataset import build_dataset

    phantoms = tmp_path / "phantom-III"
    build_dataset("phantom-III", out=phantoms, number_of_images=100, size=32, replicates=2, jobs=1)
    overrides = {"epochs": 2, "background": "noise", "masks": True}
    summary = train(str(phantoms), overrides=overrides, out=tmp_path / "run", **QUICK).summary
    description = checkpoint.read_description(tmp_path / "run" / checkpoint.FILE)
    assert (description.kind, description.background) == ("classifier", "noise")
    evaluate(
        [tmp_path / "run"], dataset=[str(phantoms)], split="test", out=tmp_path / "results", device="cpu", threads=1
    )
    predictions = pd.read_csv(tmp_path / "results" / "predictions.csv")
    assert set(predictions["training"]) == {
        "phantom-III/small-cnn/erm, epochs=2, background=noise, masks"
    } and np.isfinite(summary["selection"]["score"])
    # Whatever lies outside the lungs is not seen: the scores stay when it is painted over.
    images, masks = np.load(phantoms / "images.npy"), np.load(phantoms / "masks.npy")
    np.save(phantoms / "images.npy", np.where(masks & 1, images, np.uint8(77)))
    manifest = pd.read_csv(phantoms / "manifest.csv", dtype=str, keep_default_na=False)
    manifest.drop(columns="pixels_crc32").to_csv(phantoms / "manifest.csv", index=False)
    evaluate([tmp_path / "run"], dataset=[str(phantoms)], out=tmp_path / "painted", device="cpu", threads=1)
    painted = pd.read_csv(tmp_path / "painted" / "predictions.csv")
    pd.testing.assert_frame_equal(predictions, painted)
    manifest.drop(columns=["pixels_crc32", "mask_row"]).to_csv(tmp_path / "bare.csv", index=False)
    with pytest.raises(CxrshortError) as caught:
        evaluate([tmp_path / "run"], dataset=[str(tmp_path / "bare.csv")], out=tmp_path / "x", device="cpu", threads=1)
    every = len(predictions)
    assert caught.value.message.endswith(f"foreground alone, and {every} of the {every} images have no mask")
    assert sorted(tree(tmp_path / "run")) == ["log.jsonl", "model.safetensors", "run.json", "training.png"]
