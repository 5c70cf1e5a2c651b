"""A whole audit by a CycleGAN's model file: files, document, sameness, and bad input in one sentence."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from cxrshort.dataset import load_dataset
from cxrshort.errors import CxrshortError, DataError, OutputError, UsageError
from cxrshort.generative.cyclegan.model import save_cyclegan
from cxrshort.generative.cyclegan.networks import Generator, Pair, Sizes
from cxrshort.models.people import hash_people
from cxrshort.results import Result
from cxrshort.verbs.cyclegan.audit import audit
from cxrshort.verbs.cyclegan.transform import transform
from cxrshort.verbs.train import train

from ...generative.cyclegan.audit.audited import CPU, description, make_home
from ...training.test_distributed_steps import run_two
from ...training.tiny import png_signature, tiny_dataset, tree

TABLES = ["carried.csv", "changes.csv", "distances.csv", "findings.csv", "population.csv", "regions.csv"]
FIGURES = ["carried.png", "edits.png", "flips.png", "largest-changes.png", "regions.png"]
PARTS = ["parts-1-from.npy", "parts-1-to.npy"]
FEW = {"images": 8, "places": 2}


def save_gan(folder: Path, **changes: object) -> Path:
    """Write an untrained CycleGAN."""
    torch.manual_seed(0)
    sizes = Sizes(4, 1, 4, 1)
    folder.mkdir(parents=True, exist_ok=True)
    save_cyclegan(
        Pair(Generator(sizes), Generator(sizes)), folder / "model.safetensors", description=description(**changes)
    )
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_home(tmp_path_factory.mktemp("cyclegan-audit"), people=40)
    persons = load_dataset(str(folder / "tiny")).fold("train", replicate=0).manifest["person_id"]
    save_gan(folder / "gan", training_people=hash_people(persons))
    return folder


def judge(home: Path, out: Path, **options: object) -> Result:
    chosen: dict = {"dataset": str(home / "tiny"), "regions": home / "boxes.csv", **FEW, **CPU, **options}
    return audit(chosen.pop("model", home / "gan"), chosen.pop("classifiers", [home / "run"]), out=out, **chosen)


@pytest.fixture(scope="module")
def done(home: Path) -> tuple[Path, Result]:
    return home / "out", judge(home, home / "out")


def test_result_folder_is_complete(done: tuple[Path, Result]) -> None:
    folder, result = done
    figures = [name for name in FIGURES if name != "carried.png" or (folder / name).exists()]
    assert sorted(tree(folder)) == sorted([*TABLES, *PARTS, *figures, "run.json", "summary.json"])
    assert all(png_signature(folder / name) for name in figures)
    document = json.loads((folder / "summary.json").read_text())
    assert document["schema"] == "cxrshort.cyclegan-audit/1" == result.document["schema"]
    assert {**document, "figures": result.document["figures"], "folder": str(folder)} == result.document
    scored, regions = np.load(folder / PARTS[1]), document["parts"]["regions"]
    changes = pd.read_csv(folder / "changes.csv").query("direction == 'to'")
    assert scored.shape == (8, 2 + len(regions) * (2 + FEW["places"]))
    assert np.allclose(scored[:, :2], changes[["before", "after"]], rtol=1e-6)
    record = json.loads((folder / "run.json").read_text())
    assert record["state"] == "done" and "dataset" in record["inputs"] and len(record["inputs"]) >= 4
    assert record["arguments"]["images"] == 8


def test_every_region_of_every_classifier_has_a_verdict(done: tuple[Path, Result]) -> None:
    findings = pd.read_csv(done[0] / "findings.csv")
    regions = set(pd.read_csv(done[0] / "regions.csv")["region"])
    assert set(findings["region"]) == regions >= {"planted", "innocent", "marker", "border_top"}
    assert list(done[1].verdicts) == findings["verdict"].tolist()
    assert findings.set_index("region").loc["lungs", "why"] == "the finding may lie there"


def test_same_seed_gives_the_same_files(done: tuple[Path, Result], home: Path, tmp_path: Path) -> None:
    judge(home, tmp_path / "again")
    assert tree(tmp_path / "again", without=["run.json"]) == tree(done[0], without=["run.json"])
    judge(home, tmp_path / "other", seed=1)
    assert tree(tmp_path / "other")["changes.csv"] != tree(done[0])["changes.csv"]


def test_two_processes_write_the_files_of_one(done: tuple[Path, Result], home: Path) -> None:
    words = ["cyclegan", "audit", "gan", "run", "--dataset", "tiny", "--regions", "boxes.csv", "--images", "8"]
    words += ["--places", "2", "--device", "cpu", "--precision", "fp32", "--threads", "1", "--json"]
    stdout, _ = run_two(*words, "--out", "two", cwd=home)
    assert json.loads(stdout)["findings"]  # one document, so one process has printed
    one, two = (pd.read_csv(home / name / "changes.csv") for name in ("out", "two"))
    names = one.columns.drop("classifier")  # a path here, a name there
    pd.testing.assert_frame_equal(one[names], two[names], check_exact=True)
    for name in PARTS:
        assert (home / "out" / name).read_bytes() == (home / "two" / name).read_bytes()
    shams = [pd.read_csv(home / name / "population.csv")["sham_change"].tolist() for name in ("out", "two")]
    assert shams[0] == shams[1]


def test_existing_results_are_kept_unless_forced(done: tuple[Path, Result], home: Path) -> None:
    with pytest.raises(CxrshortError, match="exists already"):
        judge(home, done[0])
    before = tree(done[0], without=["run.json"])
    judge(home, done[0], force=True)
    assert tree(done[0], without=["run.json"]) == before


def test_interrupted_audit_scores_only_what_is_left_and_ends_in_the_same_bytes(
    done: tuple[Path, Result], home: Path, tmp_path: Path
) -> None:
    events: list[tuple[int, int]] = []

    def watch(event: Mapping[str, Any], *, stop: bool = False) -> None:
        if event["event"] == "images scored in parts":
            events.append((event["done"], event["of"]))
            if stop and event["done"] == event["of"]:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judge(home, tmp_path / "out", report=partial(watch, stop=True))
    assert events == [(0, 8), (8, 8)] and (tmp_path / "out" / "unfinished.json").exists()
    with pytest.raises(UsageError, match=r"--resume with other settings .* places was '2' and is '3'"):
        judge(home, tmp_path / "out", resume=True, places=3)
    events.clear()
    result = judge(home, tmp_path / "out", resume=True, report=watch)
    assert events == [(8, 8), (0, 8), (8, 8)] and list(result.verdicts) == list(done[1].verdicts)
    assert tree(tmp_path / "out", without=["run.json"]) == tree(done[0], without=["run.json"])


def test_complete_audit_is_shown_again_by_resume(done: tuple[Path, Result], home: Path) -> None:
    before = tree(done[0])
    again = judge(home, done[0], resume=True)
    assert tree(done[0]) == before and again.summary == done[1].summary
    assert again.notes[0] == "the run is complete already; nothing was done"
    with pytest.raises(UsageError, match="was made with other arguments: places was '2' and is '3'"):
        judge(home, done[0], resume=True, places=3)


def test_expected_regions_are_the_users(home: Path, tmp_path: Path) -> None:
    result = judge(home, tmp_path / "out", expected=["planted"])
    reasons = {row["region"]: row["why"] for row in result.summary["findings"]}
    assert reasons["planted"] == "the finding may lie there" != reasons["lungs"]
    with pytest.raises(UsageError, match="'planed' is not a known region"):
        judge(home, tmp_path / "no", expected=["planed"])


def test_dry_run_writes_nothing_and_says_what_it_takes(home: Path, tmp_path: Path) -> None:
    result = judge(home, tmp_path / "out", dry_run=True)
    assert result.plan and result.summary["images"] == {"from": 8, "to": 8} and result.summary["forwards"] > 16
    assert not (tmp_path / "out").exists()


def fails(home: Path, out: Path, **options: object) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        judge(home, out, **options)
    assert not (out / "run.json").exists()
    return caught.value


def test_models_of_the_audited_patients_are_refused(home: Path, tmp_path: Path) -> None:
    persons = load_dataset(str(home / "tiny")).fold("test", replicate=0).manifest["person_id"]
    gan = save_gan(tmp_path / "gan", training_people=hash_people(persons))
    error = fails(home, tmp_path / "out", model=gan)
    assert isinstance(error, DataError) and error.message.endswith(
        f"was trained on {len(set(persons))} of the {len(set(persons))} patients of tiny (test)"
    )
    error = fails(home, tmp_path / "out", split="all")
    assert "patients of tiny (all)" in error.message


def test_classifier_of_transformed_test_patients_is_refused(home: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    transform(str(home / "gan"), dataset=str(home / "tiny"), direction="to", split="test", where="", out=made, **CPU)
    manifest = pd.read_csv(made / "manifest.csv", dtype=str)
    persons = manifest["person_id"].unique()
    manifest["split_0"] = np.where(manifest["person_id"].isin(persons[:3]), "val", "train")
    manifest.to_csv(made / "manifest.csv", index=False)
    train(str(made), arch="small-cnn", overrides={"epochs": 1}, out=tmp_path / "run", **CPU)
    error = fails(home, tmp_path / "out", classifiers=[tmp_path / "run"])
    assert isinstance(error, DataError) and error.message.endswith(
        f"was trained on {len(persons)} of the {len(persons)} patients of tiny (test)"
    )


def test_full_disk_is_one_clear_error_and_resume_ends_the_audit(
    done: tuple[Path, Result], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: object) -> int:
        del content
        raise OSError(28, "No space left on device", str(path))

    def fill(event: Mapping[str, Any]) -> None:
        if event["event"] == "images scored in parts" and event["done"] == event["of"]:
            monkeypatch.setattr(Path, "write_bytes", full)

    out = tmp_path / "out"
    with pytest.raises(OutputError, match="cannot be written: no space left on device") as caught:
        judge(home, out, report=fill)
    monkeypatch.undo()
    assert caught.value.exit_code == 73 and not (out / "run.json").exists()
    judge(home, out, resume=True)
    assert tree(out, without=["run.json"]) == tree(done[0], without=["run.json"])


def test_other_kinds_of_models_are_refused(home: Path, tmp_path: Path) -> None:
    assert "is a classifier, not a cyclegan" in fails(home, tmp_path / "out", model=home / "run").message
    assert "cyclegan" in fails(home, tmp_path / "out", classifiers=[home / "gan"]).message


def test_images_of_another_size_are_refused(home: Path, tmp_path: Path) -> None:
    tiny_dataset(tmp_path / "large", people=40, size=48)
    error = fails(home, tmp_path / "out", dataset=str(tmp_path / "large"), regions=None)
    assert "48" in error.message and "32" in error.message
