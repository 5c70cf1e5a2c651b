"""``explain`` on tiny images whose upper left quarter is brighter where COVID-19 is present."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from cxrshort.compute import choose_compute
from cxrshort.dataset import load_dataset
from cxrshort.errors import CxrshortError, DataError, OutputError, UsageError
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.models.predictions import predict, unseen_fold
from cxrshort.models.sources.opening import open_model
from cxrshort.results import Facts, Result, Table
from cxrshort.verbs.explain import explain
from cxrshort.verbs.train import train

from ..training.tiny import png_signature, tiny_dataset, tiny_manifest, tree, write_dataset

CPU = {"device": "cpu", "precision": "fp32", "threads": 1}
FAST = {"settings": ["samples=20"], "references": 20}
FILES = {
    "clusters.csv", "clusters.png", "findings.csv", "localisation.csv", "maps.csv", "maps.npy", "maps.png",
    "mean-maps.png", "most-driven.csv", "run.json", "sanity.csv", "sanity.png", "shares.csv", "shares.png",
    "summary.json", "visible.csv",
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the datasets ``tiny`` and ``other``, a classifier of ``tiny`` and an untrained segmenter."""
    folder = tmp_path_factory.mktemp("explain")
    manifest = tiny_manifest(folder / "tiny", people=60).assign(mask_row=range(120))
    write_dataset(folder / "tiny", manifest, signal=30)
    masks = np.zeros((120, 32, 32), np.uint8)
    masks[:, 12:28, 4:28] = 1
    np.save(folder / "tiny" / "masks.npy", masks)
    tiny_dataset(folder / "other", name="other", people=40, seed=1, signal=30)
    train(str(folder / "tiny"), arch="small-cnn", overrides={"epochs": 3}, out=folder / "run", **CPU)
    lungs = Description("segmenter", "unet-small", ("lungs",), InputSpec(32), recipe={"task": "masks"})
    (folder / "segmenter").mkdir()
    checkpoint.save_model(
        factory.build_model(lungs, seed=0), folder / "segmenter" / "model.safetensors", description=lungs
    )
    return folder


@pytest.fixture(scope="module")
def explained(home: Path) -> Result:
    """Return the result for the test fold of ``tiny``, with the checks of its maps."""
    return explain(str(home / "run"), dataset=str(home / "tiny"), out=home / "explained", sanity=True, **FAST, **CPU)


def run(home: Path, out: Path, *, model: str = "run", data: str = "tiny", **options: object) -> Result:
    chosen = {"images": 6, **FAST, **CPU, **options}
    return explain(
        model if ":" in model or "?" in model else str(home / model), dataset=str(home / data), out=out, **chosen
    )


def fails(home: Path, out: Path, **options: object) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        run(home, out, **options)  # type: ignore[arg-type]
    return caught.value


def test_results_folder_is_complete(home: Path, explained: Result) -> None:
    assert set(tree(home / "explained")) == FILES
    for name in ("clusters.png", "maps.png", "mean-maps.png", "sanity.png", "shares.png"):
        assert png_signature(home / "explained" / name)
    summary = json.loads((home / "explained" / "summary.json").read_text())
    assert summary["schema"] == "cxrshort.findings/1" == explained.document["schema"]
    record = json.loads((home / "explained" / "run.json").read_text())
    assert record["state"] == "done" and record["verb"] == "explain"
    assert set(record["outputs"]) == FILES - {"run.json"}


def test_table_holds_every_image_of_the_test_fold_with_its_logit(home: Path, explained: Result) -> None:
    table = pd.read_csv(home / "explained" / "maps.csv")
    data, compute = load_dataset(str(home / "tiny")), choose_compute("cpu", precision="fp32", threads=1)
    model = open_model(str(home / "run"), compute)
    predicted = predict(model, unseen_fold(model.reference, data, "test"), compute)
    assert list(table["image_id"]) == list(predicted["image_id"])
    np.testing.assert_allclose(table["logit"], predicted["logit.COVID-19"], atol=1e-5)
    assert list(table["target"]) == list(predicted["target.COVID-19"])
    assert set(table["class"]) == {"positive", "negative"} and set(table["label"]) == {"COVID-19"}
    assert table["person_id"].nunique() == 15


def test_maps_are_those_of_the_method_and_add_up(home: Path, explained: Result) -> None:
    maps, table = np.load(home / "explained" / "maps.npy"), pd.read_csv(home / "explained" / "maps.csv")
    assert maps.shape == (30, 32, 32) and maps.dtype == np.float32
    np.testing.assert_allclose(table["sum"], maps.sum(axis=(1, 2), dtype=np.float64), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(table["error"], table["sum"] - table["difference"], atol=1e-6)
    assert table["error"].abs().median() < 0.5 * table["difference"].abs().median()
    scale = np.maximum(table["difference"].abs(), table["difference"].abs().median())
    assert list(table["adds_up"]) == list(table["error"].abs() <= 0.1 * scale)
    failed = int((~table["adds_up"]).sum())
    assert explained.summary["adding_up"]["failed"] == failed > 0  # of 20 draws each
    assert any(
        note.startswith(f"{failed} of 30 maps of COVID-19 miss the difference of logits")
        and note.endswith(": --set samples=80 makes maps more exact")
        for note in explained.notes
    )
    share = np.abs(maps[:, 12:28, 4:28]).sum(axis=(1, 2)) / np.abs(maps).sum(axis=(1, 2))
    np.testing.assert_allclose(table["share.lungs"], share, rtol=1e-4)
    assert ((table["share_se.lungs"] > 0) & (table["share_se.lungs"] < 0.2)).all()


def test_shares_are_means_over_the_images_of_a_class(home: Path, explained: Result) -> None:
    shares = pd.read_csv(home / "explained" / "shares.csv").set_index(["class", "region"])
    table = pd.read_csv(home / "explained" / "maps.csv")
    for kind in ("positive", "negative"):
        row = shares.loc[(kind, "lungs")]
        assert row["share"] == pytest.approx(table.loc[table["class"] == kind, "share.lungs"].mean(), rel=1e-6)
        assert row["area"] == pytest.approx(16 * 24 / 1024)
        assert row["ratio_low"] < row["ratio"] < row["ratio_high"]


def test_planted_region_is_accused_and_expected_regions_are_not(home: Path, explained: Result) -> None:
    findings = pd.read_csv(home / "explained" / "findings.csv").set_index("region")
    assert findings.loc["shoulders", "verdict"] == "shortcut"  # those of the average anatomy lie in the bright quarter
    assert set(findings.index[findings["verdict"] == "shortcut"]) <= {"shoulders", "border"}
    assert findings.loc["border_top", "effect"] > 3 * abs(findings.loc["border_bottom", "effect"])
    assert findings.loc["lungs", "why"] == "the finding may lie there"
    assert set(findings.loc[["lungs", "heart", "mediastinum", "diaphragm"], "verdict"]) == {"not testable"}
    assert len(explained.verdicts) == len(findings)
    driven = pd.read_csv(home / "explained" / "most-driven.csv")
    assert driven["share"].is_monotonic_decreasing and len(driven) == 30


def test_average_anatomy_and_references_are_said(home: Path, explained: Result, tmp_path: Path) -> None:
    assert explained.summary["references"] == ["references: 20 images without COVID-19 of the training fold of tiny"]
    assert explained.notes[0].startswith(
        "an average anatomy stands in for what no mask, box or segmenter shows (heart in 30 of 30 images)"
    )
    other = run(home, tmp_path / "out", data="other", background=str(home / "tiny"), references=500)
    assert other.summary["references"] == [
        "references: 30 images without COVID-19 of the training fold of tiny, 500 were asked for"
    ]
    assert "(lungs in 6, heart in 6 of 6 images)" in other.notes[0]
    assert other.summary["role"] == "external"
    # An average anatomy is nobody's lungs: there is nothing to compare maps with, and nothing to hide.
    assert other.summary["localisation"] == [] and "localisation.csv" not in tree(tmp_path / "out")
    reasons = {row["shown"]: row["reason"] for row in other.summary["visible"]}
    assert reasons["lungs only"] == reasons["all but the lungs"] == "no image has known lungs"
    assert "no image has known lungs" not in reasons["border only"]


def test_border_and_lungs_alone_are_scored_and_said(home: Path, explained: Result) -> None:
    table = pd.read_csv(home / "explained" / "visible.csv").set_index("shown")
    assert list(table.index) == ["border only", "all but the border", "lungs only", "all but the lungs"]
    pixels = np.load(home / "tiny" / "images.npy").astype(np.float32) / 255
    maps, truth = pd.read_csv(home / "explained" / "maps.csv"), load_dataset(str(home / "tiny")).manifest
    inside = np.zeros((32, 32), bool)
    inside[12:28, 4:28] = True
    rows = truth.index[truth["split_0"] == "test"]
    images = np.stack([np.where(inside, image, image[inside].mean()) for image in pixels[rows]])
    model = open_model(str(home / "run"), choose_compute("cpu", precision="fp32", threads=1))
    with torch.inference_mode():
        logits = model.classifier(torch.from_numpy(images)[:, None].float())[:, 0].numpy()
    positive = maps["target"].to_numpy() == 1
    assert table.loc["lungs only", "auc"] == pytest.approx(auc(logits, positive))
    assert table.loc["lungs only", "whole"] == pytest.approx(auc(maps["logit"].to_numpy(), positive))
    border_notes = [note for note in explained.notes if note.startswith("COVID-19: shown nothing but the four borders")]
    assert bool(border_notes) == (
        table.loc["border only", "auc_low"] > 0.5 or table.loc["border only", "auc_high"] < 0.5
    )


def auc(scores: np.ndarray, positive: np.ndarray) -> float:
    return float((np.sign(scores[positive][:, None] - scores[~positive]).mean() + 1) / 2)


def test_maps_of_positives_are_compared_with_the_lungs(home: Path, explained: Result) -> None:
    (row,) = pd.read_csv(home / "explained" / "localisation.csv").to_dict(orient="records")
    table, maps = pd.read_csv(home / "explained" / "maps.csv"), np.load(home / "explained" / "maps.npy")
    relevance = maps[table["class"] == "positive"].clip(0)
    mass = relevance[:, 12:28, 4:28].sum(axis=(1, 2)) / relevance.sum(axis=(1, 2))
    assert (row["region"], row["images"], row["area"]) == ("lungs", 15, pytest.approx(0.375))
    assert row["mass"] == pytest.approx(mass.mean(), rel=1e-5) and explained.summary["localisation"][0] == row | {
        "reason": ""
    }


def test_checks_of_the_maps_are_written_and_printed(home: Path, explained: Result) -> None:
    checks = explained.summary["sanity"]["COVID-19"]
    assert [check["check"] for check in checks["checks"]] == ["randomisation", "background", "faithfulness"]
    assert checks["images"] == 30 and all(check["passes"] for check in checks["checks"]) and checks["caution"] == ""
    curves = pd.read_csv(home / "explained" / "sanity.csv")
    assert set(curves["label"]) == {"COVID-19"} and set(curves["check"]) == {"randomisation", "deletion", "insertion"}
    assert "caution" not in pd.read_csv(home / "explained" / "findings.csv")
    titles = [block.title for block in explained.tables if isinstance(block, Table)]
    assert titles[0] == "COVID-19: checks of the maps, on 30 images" and not any("caution" in title for title in titles)


def test_sample_is_balanced_and_a_map_does_not_depend_on_the_others(
    home: Path, explained: Result, tmp_path: Path
) -> None:
    result = run(home, tmp_path / "out", images=6, label=["COVID-19", "Edema"])
    table = pd.read_csv(tmp_path / "out" / "maps.csv")
    assert list(table["label"]) == ["COVID-19"] * 6 + ["Edema"] * 6
    assert list(table.groupby(["label", "class"]).size()) == [3, 3, 3, 3]
    assert {"maps-Edema.png", "shares-Edema.png", "mean-maps-Edema.png"} <= set(tree(tmp_path / "out"))
    maps, whole = np.load(tmp_path / "out" / "maps.npy"), pd.read_csv(home / "explained" / "maps.csv")
    rows = [whole.index[whole["image_id"] == name][0] for name in table["image_id"][:6]]
    all_maps = np.load(home / "explained" / "maps.npy")
    # Unequal in the last bits: passes are cut into other batches.
    np.testing.assert_allclose(maps[:6], all_maps[rows], atol=1e-5 * np.abs(all_maps).max())
    assert result.summary["maps"] == 12 and result.summary["images"] <= 12


def test_other_methods_leave_out_what_they_do_not_have(home: Path, tmp_path: Path) -> None:
    result = run(home, tmp_path / "out", method="grad-cam", settings=(), images=4)
    names = set(pd.read_csv(tmp_path / "out" / "maps.csv"))
    assert {"logit", "share.lungs", "cluster"} <= names and not {"sum", "error", "share_se.lungs"} & names
    assert result.summary["references"] == [] and result.summary["adding_up"] == {}


def test_masks_of_a_folder_a_file_and_a_segmenter_are_read(home: Path, tmp_path: Path) -> None:
    lungs = np.zeros((80, 32, 32), bool)
    lungs[:, :16] = True
    np.save(tmp_path / "lungs.npy", lungs)
    result = run(home, tmp_path / "file", data="other", masks=tmp_path / "lungs.npy", images=4)
    assert areas(result) == {"lungs": pytest.approx(0.5)}
    (tmp_path / "masks").mkdir()
    manifest = tiny_manifest(tmp_path / "pictures", name="other", people=40)
    manifest = manifest.assign(path=[f"{n:03d}.png" for n in range(80)], source_height=32, source_width=32)
    write_dataset(tmp_path / "pictures", manifest, name="other", seed=1, signal=30)
    for number in range(78):
        Image.fromarray(lungs[number].astype(np.uint8) * 255).save(tmp_path / "masks" / f"{number:03d}_mask.png")
    result = explain(
        str(home / "run"),
        dataset=str(tmp_path / "pictures"),
        masks=tmp_path / "masks",
        out=tmp_path / "folder",
        **FAST,
        **CPU,
    )
    assert any(note.endswith("has no mask of 2 of 20 images") for note in result.notes)
    assert {"given masks", "average anatomy"} == sources(result, "lungs")
    result = run(home, tmp_path / "segmenter", data="other", segmenter=str(home / "segmenter"), images=4)
    assert sources(result, "lungs") <= {"segmenter", "average anatomy"} and "segmenter" in sources(result, "lungs")


def areas(result: Result) -> dict[str, float]:
    rows = [row for row in result.summary["shares"] if row["region"] == "lungs" and row["class"] == "positive"]
    return {"lungs": rows[0]["area"]}


def sources(result: Result, region: str) -> set[str]:
    return {row["source"] for row in result.summary["region_sources"] if row["region"] == region}


def boxes(path: Path, lines: list[str]) -> Path:
    path.write_text("\n".join(["image_id,region,x0,y0,x1,y1", *lines]) + "\n")
    return path


def test_boxes_are_judged_by_their_names(home: Path, explained: Result, tmp_path: Path) -> None:
    names = pd.read_csv(home / "explained" / "maps.csv")["image_id"].unique()
    lines = [f"{name},sticker,0,0,16,16" for name in names] + ["elsewhere/1,sticker,0,0,4,4"]
    result = run(home, tmp_path / "out", images=None, regions=boxes(tmp_path / "boxes.csv", lines))
    findings = {row["region"]: row for row in result.summary["findings"]}
    assert findings["sticker"]["verdict"] == "shortcut" and findings["sticker"]["effect"] > 0.8
    count = len(names)
    assert f"{count} of the {count + 1} boxes of {tmp_path / 'boxes.csv'} are of explained images" in result.notes
    overlapping = next(note for note in result.notes if note.startswith("regions overlap ("))
    assert "shoulders and sticker in 100 % of the images" in overlapping  # those of the average anatomy
    again = run(home, tmp_path / "expected", images=4, regions=tmp_path / "boxes.csv", expected=["lungs", "sticker"])
    why = {row["region"]: row["why"] for row in again.summary["findings"]}
    assert why["sticker"] == "the finding may lie there" != why["heart"]


def test_boxes_outside_or_of_other_images_are_refused(home: Path, tmp_path: Path) -> None:
    outside = boxes(tmp_path / "outside.csv", ["tiny/006,marker,20,0,40,9"])
    error = fails(home, tmp_path / "out", regions=outside)
    assert isinstance(error, DataError) and "is not a box of whole pixels within 32 x 32" in error.message
    others = boxes(tmp_path / "others.csv", ["II/1,marker,0,0,4,4", "II/2,marker,0,0,4,4"])
    error = fails(home, tmp_path / "out", regions=others, force=True)
    assert error.message == f"'{others}': none of its 2 boxes is of an explained image, such as 'II/1'"
    assert error.hint == "image_id must be that of the dataset's manifest"


def test_training_patients_are_refused_unless_asked_for(home: Path, tmp_path: Path) -> None:
    error = fails(home, tmp_path / "out", split="all")
    assert error.message.endswith("was trained on 45 of the 60 patients of tiny (all)")
    result = run(home, tmp_path / "out", split="train", images=4)
    assert result.notes[0] == "the model was trained on 30 of the 30 patients of this fold (--split train)"


def test_segmenter_unknown_label_and_useless_background_are_refused(home: Path, tmp_path: Path) -> None:
    error = fails(home, tmp_path / "out", model="segmenter")
    assert isinstance(error, UsageError)
    assert error.message.endswith("is a segmenter, and explain takes classifiers")
    error = fails(home, tmp_path / "out", label=["Mass"])
    assert error.message == "'Mass' is not a known label of this model"
    error = fails(home, tmp_path / "out", method="gradient", settings=(), background=str(home / "other"))
    assert error.message == "'gradient' takes no references, and --background gives some"
    error = fails(home, tmp_path / "out", expected=["lung"])
    assert error.message == "'lung' is not a known region" and error.hint == "did you mean 'lungs'?"


def test_dataset_without_negatives_needs_a_background(home: Path, tmp_path: Path) -> None:
    manifest = tiny_manifest(tmp_path / "sick", name="sick", people=20).assign(**{"COVID-19": 1})
    write_dataset(tmp_path / "sick", manifest, name="sick")
    with pytest.raises(DataError) as caught:
        explain(str(home / "run"), dataset=str(tmp_path / "sick"), out=tmp_path / "no", **FAST, **CPU)
    assert caught.value.message == "no image of the training fold of sick is known to be without 'COVID-19'"
    assert caught.value.hint == "name a --background that has such images"
    result = explain(
        str(home / "run"),
        dataset=str(tmp_path / "sick"),
        background=str(home / "tiny"),
        out=tmp_path / "out",
        images=4,
        **FAST,
        **CPU,
    )
    assert set(result.verdicts) == {"not testable"}
    assert {row["why"] for row in result.summary["findings"]} == {"the finding may lie there", "only positives"}
    assert {row["reason"] for row in result.summary["visible"]} == {"only positives", "no image has known lungs"}


def test_complete_run_is_kept_by_resume_and_refused_without(home: Path, explained: Result) -> None:
    before = tree(home / "explained")
    again = run(home, home / "explained", images=None, sanity=True, resume=True)
    assert tree(home / "explained") == before and again.verdicts == explained.verdicts
    assert {**again.document, "figures": []} == {**explained.document, "figures": []}
    assert [repr(block) for block in again.tables] == [repr(block) for block in explained.tables]
    assert isinstance(fails(home, home / "explained"), OutputError)
    error = fails(home, home / "explained", images=None, sanity=True, resume=True, seed=1)
    assert "seed was '0' and is '1'" in error.message
    error = fails(home, home / "explained", images=None, resume=True)
    assert "sanity was 'True' and is 'False'" in error.message


def test_dry_run_forecasts_and_writes_nothing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    options = {"dataset": "other", "label": ["Edema"], "split": "val", "dry_run": True, **FAST, **CPU}
    result = explain("run", sanity=True, **options)
    plan = result.summary
    assert plan["outputs"][0]["folder"] == "results/run/other-split-val-label-Edema-explain"
    assert (plan["images"], plan["maps"], plan["method"]) == (20, 20, "expected-gradients")
    assert plan["disk_mib"] == pytest.approx(20 * 32 * 32 * 4 / 2**20, abs=0.01)
    assert plan["images_per_second"] > 0 and not (home / "results").exists()
    facts = next(dict(block.pairs) for block in result.tables if isinstance(block, Facts))
    assert facts["besides"].startswith("5 passes for each image") and facts["checks"].startswith("of the maps of 30")
