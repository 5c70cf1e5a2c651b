import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score

from cxrshort import columns
from cxrshort.dataset import load_dataset
from cxrshort.errors import CxrshortError, DataError, MissingInputError, OutputError, UsageError, WorkFailedError
from cxrshort.files import sha256
from cxrshort.models.scoring import SCORING_BATCH
from cxrshort.stats.predictions import IMAGE_COLUMNS, MODEL_COLUMNS
from cxrshort.verbs.evaluate import default_folder, evaluate
from cxrshort.verbs.train import train

from ..training.tiny import png_signature, tiny_dataset, tiny_manifest, tree, write_dataset

CPU = {"device": "cpu", "precision": "fp32", "threads": 1}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the datasets ``tiny`` and ``other``, and two replicates trained on ``tiny``."""
    folder = tmp_path_factory.mktemp("evaluate")
    tiny_dataset(folder / "tiny", people=60, signal=8)
    tiny_dataset(folder / "other", name="other", people=40, seed=1, signal=8)
    for replicate in (0, 1):
        train(
            str(folder / "tiny"),
            arch="small-cnn",
            replicate=replicate,
            overrides={"epochs": 3},
            out=folder / f"replicate-{replicate}",
            **CPU,
        )
    return folder


def judge(home: Path, out: Path, *, models: tuple[str, ...] = ("replicate-0", "replicate-1"), **options: object):
    chosen = {"dataset": [str(home / "tiny"), str(home / "other")], **CPU, **options}
    return evaluate([home / model for model in models], out=out, **chosen).document  # type: ignore[arg-type]


def fails(home: Path, out: Path, **options: object) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        judge(home, out, **options)  # type: ignore[arg-type]
    return caught.value


def table(out: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(out / name, keep_default_na=False, na_values={"auc": [""], "mean": [""], "gap": [""]})


def test_results_folder_is_complete(home: Path, tmp_path: Path) -> None:
    summary = judge(home, tmp_path / "out")
    names = ["aucs.csv", "gap.png", "gaps.csv", "means.csv", "predictions.csv", "roc.png", "run.json", "summary.json"]
    assert sorted(tree(tmp_path / "out")) == names
    assert png_signature(tmp_path / "out" / "roc.png") and png_signature(tmp_path / "out" / "gap.png")
    written = json.loads((tmp_path / "out" / "summary.json").read_text())
    added = {"schema": "cxrshort.evaluation/1", "figures": ["roc.png", "gap.png"], "folder": str(tmp_path / "out")}
    assert {**written, **added} == summary
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["state"] == "done"
    assert len(record["inputs"]) == 4


def test_predictions_hold_every_image_of_each_models_own_test_fold(home: Path, tmp_path: Path) -> None:
    judge(home, tmp_path / "out")
    predictions = table(tmp_path / "out", "predictions.csv")
    measured = [f"{kind}.{label}" for kind in ("target", "logit") for label in ("COVID-19", "Edema")]
    assert list(predictions.columns) == [*MODEL_COLUMNS, *IMAGE_COLUMNS, *measured]
    for name, role in (("tiny", "internal"), ("other", "external")):
        manifest = load_dataset(str(home / name)).manifest.set_index("image_id")
        for replicate in (0, 1):
            part = predictions[(predictions["dataset"] == name) & (predictions["replicate"] == replicate)]
            assert list(part["image_id"]) == list(manifest.index[manifest[f"split_{replicate}"] == "test"])
            assert set(part["role"]) == {role}
            assert set(part["split"]) == {"test"}
            seen = manifest.loc[part["image_id"]]
            np.testing.assert_array_equal(part["target.COVID-19"], seen["COVID-19"])
            assert list(part["person_id"]) == list(seen["person_id"])
            assert list(part["sex"]) == list(seen["sex"])
            assert set(part["model"]) == {str(home / f"replicate-{replicate}")}
    empty = load_dataset(str(home / "tiny")).manifest.set_index("image_id")["Edema"].isna()
    tiny = predictions[predictions["dataset"] == "tiny"]
    assert list(tiny["target.Edema"].astype(str) == "") == list(empty.loc[tiny["image_id"]])
    assert empty.any()


def test_aucs_follow_from_the_predictions_alone(home: Path, tmp_path: Path) -> None:
    judge(home, tmp_path / "out")
    predictions, aucs = table(tmp_path / "out", "predictions.csv"), table(tmp_path / "out", "aucs.csv")
    assert len(aucs) == 8  # two labels, two datasets, two replicates
    for _, row in aucs.iterrows():
        here = (predictions["dataset"] == row["dataset"]) & (predictions["replicate"] == row["replicate"])
        targets = pd.to_numeric(predictions.loc[here, f"target.{row['label']}"].replace("", None))
        logits = predictions.loc[here, f"logit.{row['label']}"]
        assert row["auc"] == pytest.approx(roc_auc_score(targets.dropna(), logits[targets.notna()]), rel=1e-12)
        assert float(row["low"]) < row["auc"] < float(row["high"])
        assert (row["positives"], row["negatives"]) == ((targets == 1).sum(), (targets == 0).sum())


def test_means_are_over_replicates_with_their_deviation(home: Path, tmp_path: Path) -> None:
    judge(home, tmp_path / "out")
    aucs, means, gaps = (table(tmp_path / "out", f"{name}.csv") for name in ("aucs", "means", "gaps"))
    assert len(means) == 4
    for _, row in means.iterrows():
        values = aucs["auc"][(aucs["dataset"] == row["dataset"]) & (aucs["label"] == row["label"])]
        assert row["replicates"] == len(values) == 2
        assert row["mean"] == pytest.approx(values.mean(), rel=1e-12)
        assert row["deviation"] == pytest.approx(values.std(ddof=1), rel=1e-9)
    for _, row in gaps.iterrows():
        mean = means[means["label"] == row["label"]].set_index("dataset")["mean"]
        assert row["gap"] == pytest.approx(mean["tiny"] - mean["other"], abs=1e-12)
        assert float(row["low"]) < row["gap"] < float(row["high"])
    assert list(gaps["label"]) == ["COVID-19", "Edema"]


def test_moved_run_and_dataset_give_the_same_numbers(home: Path, tmp_path: Path) -> None:
    first = judge(home, tmp_path / "a", models=("replicate-0",))
    again = judge(home, tmp_path / "b", models=("replicate-0/model.safetensors",))
    assert {**first, "folder": "", "figures": []} == {**again, "folder": "", "figures": []}


@pytest.mark.parametrize(("split", "seen", "of"), [("train", 30, 30), ("val", 15, 15), ("all", 45, 60)])
def test_patients_seen_in_training_are_refused_with_their_number(
    home: Path, tmp_path: Path, split: str, seen: int, of: int
) -> None:
    error = fails(home, tmp_path / "out", models=("replicate-0",), split=split)
    assert isinstance(error, DataError)
    path = home / "replicate-0" / "model.safetensors"
    assert error.message == f"'{path}' was trained on {seen} of the {of} patients of tiny ({split})"
    assert error.hint == "--split test takes the fold that training never saw"
    assert not (tmp_path / "out").exists()


def test_patients_under_other_image_names_are_still_recognised(home: Path, tmp_path: Path) -> None:
    manifest = tiny_manifest(tmp_path / "copy", name="tiny", people=60)
    manifest = manifest.assign(image_id="copy/" + manifest["image_id"], repository="copy", split_0="test")
    write_dataset(tmp_path / "copy", manifest, name="copy")
    error = fails(home, tmp_path / "out", models=("replicate-0",), dataset=[str(tmp_path / "copy")])
    assert error.message.endswith("was trained on 45 of the 60 patients of copy (test)")


def test_external_dataset_may_be_taken_whole(home: Path, tmp_path: Path) -> None:
    summary = judge(home, tmp_path / "out", dataset=[str(home / "other")], split="all")
    assert [row["positives"] for row in summary["means"]] == [40]
    assert summary["gaps"] == []
    predictions = table(tmp_path / "out", "predictions.csv")
    assert set(predictions["role"]) == {"external"}


def test_label_with_one_class_has_a_reason_instead_of_an_auc(home: Path, tmp_path: Path) -> None:
    manifest = tiny_manifest(tmp_path / "negative", name="negative", people=20).assign(**{"Edema": 0})
    write_dataset(tmp_path / "negative", manifest, name="negative")
    summary = judge(home, tmp_path / "out", models=("replicate-0",), dataset=[str(tmp_path / "negative")])
    assert summary["labels_without_auc"] == ["Edema"]
    aucs = table(tmp_path / "out", "aucs.csv").set_index("label")
    assert np.isnan(aucs.loc["Edema", "auc"])
    assert aucs.loc["Edema", "reason"] == "only negatives"
    assert not np.isnan(aucs.loc["COVID-19", "auc"])


def test_no_label_with_both_classes_is_an_error(home: Path, tmp_path: Path) -> None:
    manifest = tiny_manifest(tmp_path / "negative", name="negative", people=20)
    manifest = manifest.assign(**{"COVID-19": 0, "Edema": ""})
    write_dataset(tmp_path / "negative", manifest, name="negative")
    error = fails(home, tmp_path / "out", models=("replicate-0",), dataset=[str(tmp_path / "negative")])
    assert isinstance(error, DataError)
    assert error.message == "no label has both classes in the test fold (no target is 0 or 1; only negatives)"
    assert error.hint == "evaluate on a dataset with both"


def test_failed_evaluation_leaves_no_folder_in_the_way(home: Path, tmp_path: Path) -> None:
    manifest = tiny_manifest(tmp_path / "negative", name="negative", people=20)
    write_dataset(tmp_path / "negative", manifest.assign(**{"COVID-19": 0, "Edema": ""}), name="negative")
    fails(home, tmp_path / "out", models=("replicate-0",), dataset=[str(tmp_path / "negative")])
    judge(home, tmp_path / "out", models=("replicate-0",))


def test_images_made_otherwise_are_refused(home: Path, tmp_path: Path) -> None:
    tiny_dataset(tmp_path / "padded", name="padded")
    record = json.loads((tmp_path / "padded" / "run.json").read_text())
    record["recipe"]["fit"] = "pad"
    (tmp_path / "padded" / "run.json").write_text(json.dumps(record))
    error = fails(home, tmp_path / "out", models=("replicate-0",), dataset=[str(tmp_path / "padded")])
    assert isinstance(error, DataError)
    path = home / "replicate-0" / "model.safetensors"
    assert error.message == f"'{path}' was trained on images made with fit 'crop', padded has fit 'pad'"
    assert error.hint == "build-dataset with --fit crop"


def test_images_of_another_size_are_scored(home: Path, tmp_path: Path) -> None:
    tiny_dataset(tmp_path / "large", name="large", size=48)
    summary = judge(home, tmp_path / "out", models=("replicate-0",), dataset=[str(tmp_path / "large")])
    assert summary["means"][0]["dataset"] == "large"


def test_one_dataset_given_twice_is_refused_before_anything_is_scored(home: Path, tmp_path: Path) -> None:
    error = fails(home, tmp_path / "out", models=("replicate-0",), dataset=[str(home / "tiny"), str(home / "tiny")])
    assert isinstance(error, UsageError)
    assert error.message == "'tiny' and 'tiny' are of one dataset and share 120 images, such as 'tiny/000'"
    assert error.hint == "evaluate each dataset once"
    assert not (tmp_path / "out").exists()


def test_one_model_given_twice_is_refused_before_anything_is_scored(home: Path, tmp_path: Path) -> None:
    error = fails(home, tmp_path / "out", models=("replicate-0", "replicate-0/model.safetensors"))
    assert isinstance(error, UsageError)
    assert error.message == f"'{home / 'replicate-0'}' and '{home / 'replicate-0'}' are the same model"
    assert not (tmp_path / "out").exists()


def test_copy_of_a_model_is_the_same_model(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "replicate-0", tmp_path / "copy")
    with pytest.raises(UsageError) as caught:
        evaluate([home / "replicate-0", tmp_path / "copy"], dataset=[str(home / "tiny")], out=tmp_path / "out", **CPU)
    assert caught.value.message == f"'{home / 'replicate-0'}' and '{tmp_path / 'copy'}' are the same model"
    assert caught.value.hint == "name each model once"


def test_datasets_of_one_name_are_told_apart_by_identity(home: Path, tmp_path: Path) -> None:
    tiny_dataset(tmp_path / "namesake", name="other", people=40, seed=2, signal=8)
    for name in ("manifest.csv", "run.json"):
        path = tmp_path / "namesake" / name
        path.write_text(path.read_text().replace("other/", "namesake/").replace('"other"', '"tiny"'))
    summary = judge(home, tmp_path / "out", dataset=[str(home / "tiny"), str(tmp_path / "namesake")])
    roles = {row["dataset"]: row["role"] for row in summary["means"]}
    assert sorted(roles.values()) == ["external", "internal"]
    assert all(name.startswith("tiny (") for name in roles)
    assert len({row["dataset_id"] for row in summary["means"]}) == 2
    assert len(summary["gaps"]) == 1


def test_dataset_built_again_is_the_one_trained_on(home: Path, tmp_path: Path) -> None:
    tiny_dataset(tmp_path / "again", people=60, signal=8)
    tiny_dataset(tmp_path / "larger", people=60, signal=8, size=48)
    for name in ("again", "larger"):
        summary = judge(home, tmp_path / f"{name}-out", models=("replicate-0",), dataset=[str(tmp_path / name)])
        assert [row["role"] for row in summary["means"]] == ["internal"]


def test_subset_of_the_training_dataset_is_internal_and_guarded(home: Path, tmp_path: Path) -> None:
    lines = (home / "tiny" / "manifest.csv").read_text().splitlines(keepends=True)
    (tmp_path / "half.csv").write_text("".join(lines[:61]))
    half = [str(tmp_path / "half.csv")]
    summary = judge(home, tmp_path / "out", models=("replicate-0",), dataset=half)
    assert [row["role"] for row in summary["means"]] == ["internal"]
    error = fails(home, tmp_path / "no", models=("replicate-0",), dataset=half, split="all")
    assert error.message.endswith("was trained on 23 of the 30 patients of tiny (all)")


NAN_NETWORK = """
import torch

class Wrong(torch.nn.Module):
    def forward(self, images):
        return torch.where(torch.arange(len(images)) % 2 == 0, torch.nan, 1.0)[:, None]
"""


def test_outputs_that_are_no_numbers_are_refused_with_their_count(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nan_network.py").write_text(NAN_NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    model = "py:nan_network:Wrong?labels=COVID-19&size=32&range=0..1"
    with pytest.raises(DataError) as caught:
        evaluate([model], dataset=[str(home / "other")], out=tmp_path / "out", **CPU)
    assert caught.value.message == f"'{model}' returns no number for 10 of 20 images of other"


def test_unknown_label_is_refused(home: Path, tmp_path: Path) -> None:
    error = fails(home, tmp_path / "out", label="Covid")
    assert isinstance(error, UsageError)
    assert error.message == "'Covid' is not a known label of these models"
    assert error.hint == "did you mean 'COVID-19'?"


def test_chosen_label_is_the_summarys(home: Path, tmp_path: Path) -> None:
    summary = judge(home, tmp_path / "out", label="Edema")
    assert {row["label"] for row in summary["means"]} == {"Edema"} != {columns.COVID}


def test_missing_model_and_missing_replicate_are_refused(home: Path, tmp_path: Path) -> None:
    error = fails(home, tmp_path / "out", models=("nowhere",))
    assert isinstance(error, MissingInputError)
    assert error.message == f"'{home / 'nowhere'}' does not exist"
    manifest = tiny_manifest(tmp_path / "single", name="single", replicates=1)
    write_dataset(tmp_path / "single", manifest, name="single")
    error = fails(home, tmp_path / "out", models=("replicate-1",), dataset=[str(tmp_path / "single")])
    assert isinstance(error, UsageError)
    assert error.message == "single: no column 'split_1' for replicate 1"
    assert error.hint == "it has 1 replicates; evaluate with --split all takes every row"


HUNGRY = """
import torch

class Hungry(torch.nn.Module):
    def forward(self, images):
        return torch.empty(10**16, len(images)) if len(images) > 2 else images.mean((1, 2, 3))[:, None]
"""


def test_out_of_memory_in_scoring_is_said_in_one_line(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hungry_network.py").write_text(HUNGRY)
    monkeypatch.syspath_prepend(tmp_path)
    model = "py:hungry_network:Hungry?labels=COVID-19&size=32&range=0..1"
    with pytest.raises(WorkFailedError) as caught:
        evaluate([model], dataset=[str(home / "other")], out=tmp_path / "out", **CPU)
    assert caught.value.message == f"cpu has no memory left for a batch of {SCORING_BATCH} images"
    assert caught.value.hint == "free the memory that other programs use, or build the dataset with a smaller --size"


def test_one_side_alone_gives_a_note_that_names_the_other(home: Path, tmp_path: Path) -> None:
    notes = {
        ("tiny",): "tiny/small-cnn/erm, epochs=3 was tested on its own dataset alone; "
        "--dataset NAME of another hospital gives the outside",
        ("other",): "tiny/small-cnn/erm, epochs=3 was tested outside alone; "
        "--dataset NAME of its training gives the inside",
        ("tiny", "other"): "",
    }
    for names, note in notes.items():
        summary = judge(home, tmp_path / "-".join(names), dataset=[str(home / name) for name in names])
        assert summary["notes"] == ([f"no generalization gap: {note}"] if note else [])


def test_default_folder_tells_evaluations_apart(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    (tmp_path / "some.csv").write_bytes((home / "other" / "manifest.csv").read_bytes())
    chosen = [
        (["replicate-0"], ["tiny"], {}, "replicate-0/tiny"),
        (["./replicate-0/model.safetensors"], ["tiny", "other"], {}, "replicate-0/tiny+other"),
        (["replicate-0", "replicate-1"], ["other"], {}, "replicate-0+replicate-1/other"),
        (["replicate-0"], ["other"], {"split": "val"}, "replicate-0/other-split-val"),
        (["replicate-0"], ["other"], {"label": "Edema"}, "replicate-0/other-label-Edema"),
        (["replicate-0"], [str(tmp_path / "some.csv")], {}, "replicate-0/some"),
    ]
    for models, names, options, expected in chosen:
        plan = evaluate(models, dataset=names, dry_run=True, **options, **CPU).summary
        assert plan["outputs"][0]["folder"] == f"results/{expected}"
    assert not (home / "results").exists()


def test_default_folder_of_many_models_is_short_and_unique(home: Path) -> None:
    loaded = [load_dataset(str(home / "tiny"))]
    names = [[f"runs/tiny/small-cnn/erm/replicate-{number}" for number in range(count)] for count in (20, 21)]
    folders = [default_folder(name, loaded, split="test", label=None) for name in names]
    assert folders[0] != folders[1]
    assert all(len(folder.parts) == 3 and len(folder.parts[1]) < 180 for folder in folders)


def test_occupied_output_is_refused_and_force_overwrites(home: Path, tmp_path: Path) -> None:
    judge(home, tmp_path / "out", models=("replicate-0",))
    error = fails(home, tmp_path / "out", models=("replicate-1",))
    assert isinstance(error, OutputError)
    assert error.message == f"'{tmp_path / 'out'}' exists already"
    judge(home, tmp_path / "out", models=("replicate-1",), force=True)
    assert set(table(tmp_path / "out", "predictions.csv")["replicate"]) == {1}


def test_results_stay_until_the_new_ones_are_complete(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    judge(home, out, models=("replicate-0",))
    before = tree(out)

    def killed(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("cxrshort.verbs.evaluate.figures.draw_evaluation", killed)
        judge(home, out, models=("replicate-1",), force=True)
    assert tree(out) == before and not [path for path in out.iterdir() if path.is_dir()]


def test_dry_run_counts_images_and_writes_nothing(home: Path, tmp_path: Path) -> None:
    result = judge(home, tmp_path / "out", dry_run=True)
    assert (result["dry_run"], result["label"], result["images"]) == (True, "COVID-19", 2 * (30 + 20))
    assert result["by_dataset"] == {"tiny": 2 * 30, "other": 2 * 20}
    models = [str(home / f"replicate-{number}" / "model.safetensors") for number in (0, 1)]
    assert result["reads"] == [*models, *(str(home / name / "manifest.csv") for name in ("tiny", "other"))]
    assert result["outputs"] == [{"folder": str(tmp_path / "out"), "fate": "new", "reason": "", "hint": ""}]
    assert result["images_per_second"] > 0 and result["memory_mib"] > 0
    assert result["hours"] == pytest.approx(100 / result["images_per_second"] / 3600, abs=0.001)
    judge(home, tmp_path / "full")
    written = (tmp_path / "full" / "predictions.csv").stat().st_size / 2**20
    assert result["disk_mib"] == pytest.approx(written, abs=0.3 * written + 0.01)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a network of the user's, with its weights, in the present folder."""
    module = f"foreign_{abs(hash(str(tmp_path)))}"
    body = "from torch import nn\n\ndef make():\n    return nn.Sequential(nn.Flatten(), nn.Linear(768, 2))\n"
    (tmp_path / f"{module}.py").write_text(body)
    weights = {"1.weight": torch.linspace(-1, 1, 1536).view(2, 768), "1.bias": torch.zeros(2)}
    save_file(weights, tmp_path / "w.safetensors")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return f"py:{module}:make?weights=w.safetensors"


INPUT = "labels=COVID-19,Edema&size=16&range=0..1"


def test_foreign_model_is_known_by_its_content(home: Path, tmp_path: Path, foreign: str) -> None:
    data = {"dataset": [str(home / "other")], "split": "all", **CPU}
    evaluate([f"{foreign}&{INPUT}"], out=tmp_path / "a", **data)
    first = table(tmp_path / "a", "predictions.csv")
    assert set(first["role"]) == {""} and first["model_id"].nunique() == 1
    assert set(first["training"]) == {foreign.partition("?")[0]}
    assert (first["training_id"] == first["model_id"]).all()
    inputs = json.loads((tmp_path / "a" / "run.json").read_text())["inputs"]
    assert inputs["w.safetensors"] == sha256(tmp_path / "w.safetensors")
    shutil.copy(tmp_path / "w.safetensors", tmp_path / "copy.safetensors")
    with pytest.raises(UsageError) as caught:
        evaluate([f"{foreign}&{INPUT}", f"{foreign}&{INPUT}".replace("=w.", "=copy.")], out=tmp_path / "b", **data)
    assert caught.value.message.endswith(" are the same model")


def test_foreign_model_has_a_gap_where_its_training_is_named(home: Path, tmp_path: Path, foreign: str) -> None:
    model = f"{foreign}&{INPUT}&trained-on={home / 'tiny'}"
    result = evaluate([model], dataset=[str(home / "tiny"), str(home / "other")], out=tmp_path / "out", **CPU)
    (gap,) = result.summary["gaps"]
    assert (gap["internal"], gap["external"], result.notes) == ("tiny", "other", [])
    with pytest.raises(DataError) as caught:
        evaluate([model], dataset=[str(home / "tiny")], split="all", out=tmp_path / "no", **CPU)
    assert caught.value.message.endswith("was trained on 45 of the 60 patients of tiny (all)")


def test_features_stand_beside_the_predictions_and_change_nothing_else(home: Path, tmp_path: Path) -> None:
    plain = judge(home, tmp_path / "plain", models=("replicate-0",))
    summary = judge(home, tmp_path / "out", models=("replicate-0",), features=True)
    assert {**plain, "folder": "", "figures": []} == {**summary, "folder": "", "figures": []}
    names = ("predictions.csv", "aucs.csv", "gaps.csv", "means.csv", "roc.png", "gap.png")
    assert all((tmp_path / "plain" / name).read_bytes() == (tmp_path / "out" / name).read_bytes() for name in names)
    predictions, rows = table(tmp_path / "out", "predictions.csv"), table(tmp_path / "out", "features.csv")
    assert list(rows.columns) == ["model", "model_id", "dataset", "dataset_id", "image_id", "file", "row"]
    for name in ("model_id", "dataset_id", "image_id"):
        assert list(rows[name]) == list(predictions[name])
    features = np.load(tmp_path / "out" / "features.npy", mmap_mode="r")
    assert (features.shape, features.dtype, list(rows["row"])) == ((50, 128), np.float32, list(range(50)))
    state = load_file(home / "replicate-0" / "model.safetensors")
    logits = features @ state["network.14.weight"].numpy().T + state["network.14.bias"].numpy()
    np.testing.assert_allclose(logits[:, 0], predictions["logit.COVID-19"], rtol=1e-4, atol=1e-5)
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert {"features.csv", "features.npy"} < set(record["outputs"])


def test_features_of_several_models_have_a_file_each(home: Path, tmp_path: Path) -> None:
    judge(home, tmp_path / "out", features=True)
    rows = table(tmp_path / "out", "features.csv")
    for number, (_, part) in enumerate(rows.groupby("model", sort=False)):
        assert set(part["file"]) == {f"features-{number}.npy"}
        assert len(np.load(tmp_path / "out" / f"features-{number}.npy")) == len(part)


def test_dry_run_counts_the_features(home: Path, tmp_path: Path) -> None:
    plain, more = (
        judge(home, tmp_path / "out", models=("replicate-0",), dry_run=True, features=asked) for asked in (False, True)
    )
    assert more["disk_mib"] - plain["disk_mib"] == pytest.approx(50 * 128 * 4 / 2**20, abs=0.011)
