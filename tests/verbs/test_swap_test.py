"""A whole swap-test: a planted shortcut is found, files are complete, bad input is refused in one sentence."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from cxrshort.dataset import Dataset, load_dataset
from cxrshort.errors import CxrshortError, DataError, MissingInputError, UsageError
from cxrshort.models import checkpoint, factory
from cxrshort.models.checkpoint import Description
from cxrshort.models.classifier import InputSpec
from cxrshort.results import Result
from cxrshort.stats.swap_findings import POPULATION_COLUMNS
from cxrshort.verbs.swap_test import default_folder, swap_test
from cxrshort.verbs.train import train

from ..training.tiny import png_signature, tiny_dataset, tiny_manifest, tree, write_dataset

CPU = {"device": "cpu", "precision": "fp32", "threads": 1}
FEW = {"patches": 30, "pairs": 10}
FILES = ["boxes.csv", "changes.csv", "findings.csv", "null.npy", "population.csv", "population.png", "run.json"]


def write_boxes(path: Path, data: Dataset, **boxes: tuple[int, int, int, int]) -> Path:
    rows = [(name, region, *box) for name in data.manifest["image_id"] for region, box in boxes.items()]
    pd.DataFrame(rows, columns=["image_id", "region", "x0", "y0", "x1", "y1"]).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a dataset whose positives are brighter in the upper left, a model of it, and boxes."""
    folder = tmp_path_factory.mktemp("swap-test")
    tiny_dataset(folder / "tiny", people=100, signal=25)
    train(str(folder / "tiny"), arch="small-cnn", overrides={"epochs": 4}, out=folder / "run", **CPU)
    data = load_dataset(str(folder / "tiny"))
    write_boxes(folder / "boxes.csv", data, planted=(0, 0, 16, 16), innocent=(18, 18, 30, 30))
    return folder


def judge(home: Path, out: Path, **options: object) -> Result:
    chosen = {"dataset": str(home / "tiny"), "regions": home / "boxes.csv", **FEW, **CPU, **options}
    return swap_test(home / "run", out=out, **chosen)  # type: ignore[arg-type]


def fails(home: Path, out: Path, **options: object) -> CxrshortError:
    with pytest.raises(CxrshortError) as caught:
        judge(home, out, **options)
    assert not (out / "run.json").exists()
    return caught.value


@pytest.fixture(scope="module")
def done(home: Path) -> tuple[Path, Result]:
    return home / "out", judge(home, home / "out")


def test_planted_region_is_a_shortcut_and_the_other_one_is_not(done: tuple[Path, Result]) -> None:
    findings = {finding["region"]: finding for finding in done[1].summary["findings"]}
    assert (findings["planted"]["verdict"], findings["innocent"]["verdict"]) == ("shortcut", "no evidence")
    assert list(done[1].verdicts) == ["shortcut", "no evidence"]
    assert findings["planted"]["low"] > 0.25 and findings["planted"]["p"] == 2 * 2.0**-9
    assert findings["innocent"]["smallest_effect"] > 0


def test_result_folder_is_complete(done: tuple[Path, Result]) -> None:
    folder, result = done
    nulls = ["null-innocent.png", "null-planted.png"]
    assert sorted(tree(folder)) == sorted([*FILES, *nulls, "strips.png", "summary.json"])
    assert all(png_signature(folder / name) for name in [*nulls, "strips.png", "population.png"])
    document = json.loads((folder / "summary.json").read_text())
    assert document["schema"] == "cxrshort.findings/1" == result.document["schema"]
    assert {**document, "figures": result.document["figures"], "folder": str(folder)} == result.document
    record = json.loads((folder / "run.json").read_text())
    assert record["state"] == "done" and {"regions", "dataset"} <= set(record["inputs"])
    assert record["arguments"]["pairs"] == 10


def test_tables_hold_every_trial_and_what_follows_from_it(done: tuple[Path, Result], home: Path) -> None:
    folder, result = done
    changes = pd.read_csv(folder / "changes.csv")
    null = np.load(folder / "null.npy")
    assert changes["purpose"].value_counts().to_dict() == {"test": 40, "sham": 40, "same class": 20}
    assert null.shape == (40, 30) and sorted(changes["null_row"].dropna()) == list(range(40))
    planted = changes[(changes["region"] == "planted") & (changes["purpose"] == "test")]
    assert planted.groupby("pair")["role"].apply(set).map(len).eq(2).all()
    assert planted["person_id"].is_unique and len(planted) == 20
    signed = planted["change"] * np.where(planted["role"] == "positive", -1, 1)
    finding = next(finding for finding in result.summary["findings"] if finding["region"] == "planted")
    assert finding["effect"] == pytest.approx(float(np.median(signed)) / result.summary["spread"])
    manifest = load_dataset(str(home / "tiny")).manifest.set_index("image_id")
    roles = manifest.loc[planted["image_id"], "COVID-19"].map({0: "negative", 1: "positive"})
    assert roles.tolist() == planted["role"].tolist()
    assert set(pd.read_csv(folder / "boxes.csv")["region"]) == {"planted", "innocent"}


def test_shams_are_exactly_zero(done: tuple[Path, Result]) -> None:
    shams = [row for row in done[1].summary["controls"] if row["control"] == "sham"]
    assert [(row["largest"], row["changed_pixels"], row["outcome"]) for row in shams] == [(0, 0, "exactly 0")] * 2


def test_spread_is_that_of_the_whole_fold(done: tuple[Path, Result], home: Path) -> None:
    fold = load_dataset(str(home / "tiny")).fold("test", replicate=0)
    model, _ = factory.load_model(home / "run" / "model.safetensors")
    images = torch.from_numpy(fold.pixels.take(range(50))[:, None].astype(np.float32) / 255)
    with torch.inference_mode():
        logits = model.eval()(images).numpy().astype(np.float64)
    assert done[1].summary["images"] == len(fold.manifest) == 50
    # Batches of other sizes differ in the last bits of float32.
    assert done[1].summary["spread"] == pytest.approx(logits[:, 0].std(ddof=1), rel=1e-4)


def test_same_seed_gives_the_same_files_and_another_one_other_pairs(
    done: tuple[Path, Result], home: Path, tmp_path: Path
) -> None:
    judge(home, tmp_path / "again")
    without = ["run.json", "summary.json"]
    assert tree(tmp_path / "again", without=without) == tree(done[0], without=without)
    judge(home, tmp_path / "other", seed=1)
    assert tree(tmp_path / "other")["changes.csv"] != tree(done[0])["changes.csv"]


def test_complete_run_is_shown_again_by_resume(done: tuple[Path, Result], home: Path) -> None:
    before = tree(done[0])
    again = judge(home, done[0], resume=True)
    assert again.summary["findings"] == done[1].summary["findings"] and again.verdicts == done[1].verdicts
    assert again.notes == ["the run is complete already; nothing was done", *done[1].notes] and done[1].notes
    assert tree(done[0]) == before
    with pytest.raises(UsageError, match="pairs was '10' and is '9'"):
        judge(home, done[0], resume=True, pairs=9)


@pytest.mark.parametrize("intervention", ["swap", "move", "blur", "inpaint", "mean"])
def test_every_intervention_ends_in_a_verdict(home: Path, tmp_path: Path, intervention: str) -> None:
    result = judge(home, tmp_path / "out", intervention=intervention)
    assert {finding["intervention"] for finding in result.summary["findings"]} == {intervention}
    changes = pd.read_csv(tmp_path / "out" / "changes.csv")
    directions = {"swap": {"increase", "decrease"}, "move": {"increase"}}.get(intervention, {"either"})
    assert set(changes["direction"]) == directions
    verdicts = {finding["region"]: finding["verdict"] for finding in result.summary["findings"]}
    if intervention in ("swap", "mean"):
        assert verdicts["innocent"] == "no evidence"


def test_preset_writes_boxes_that_can_be_read_again(home: Path, tmp_path: Path) -> None:
    first = judge(home, tmp_path / "first", regions=None, preset=["borders"])
    again = judge(home, tmp_path / "again", regions=tmp_path / "first" / "boxes.csv")
    assert first.summary["findings"] == again.summary["findings"]
    names = ["changes.csv", "null.npy", "boxes.csv"]
    assert [tree(tmp_path / "first")[name] for name in names] == [tree(tmp_path / "again")[name] for name in names]
    assert again.notes[0] == "boxes.csv: 200 boxes match 50 of 50 images"


def test_without_boxes_every_region_of_the_dataset_is_tested(home: Path, tmp_path: Path) -> None:
    result = judge(home, tmp_path / "out", regions=None)
    assert {finding["region"] for finding in result.summary["findings"]} == {"border", "corners"}
    assert "no control in the lungs, since no image has masks of its own" in " ".join(result.notes)


def test_lungs_of_the_users_masks_are_a_control(home: Path, tmp_path: Path) -> None:
    masks = np.zeros((200, 32, 32), bool)
    masks[:, 2:30, 2:14] = masks[:, 2:30, 18:30] = True
    np.save(tmp_path / "lungs.npy", masks)
    result = judge(home, tmp_path / "out", masks=tmp_path / "lungs.npy")
    lungs = result.summary["controls"][0]
    assert (lungs["control"], lungs["images"], lungs["outcome"]) == ("lungs replaced", 20, "a change")


def test_region_without_room_for_patches_is_tested_against_zero(home: Path, tmp_path: Path) -> None:
    data = load_dataset(str(home / "tiny"))
    boxes = write_boxes(tmp_path / "boxes.csv", data, most=(0, 0, 32, 20))
    result = judge(home, tmp_path / "out", regions=boxes)
    assert result.verdicts == ["shortcut"]
    assert "random patches of the size of most have no room" in " ".join(result.notes)
    assert not (tmp_path / "out" / "null.npy").exists()
    # The published test compares magnitudes, of which none is below zero.
    published = result.summary["population"][0]
    assert (published["p_exact"], published["p_holm"], published["against"]) == (None, None, "")
    assert published["reason"].startswith("no room for random patches") and published["images"] == 20


def test_region_without_room_and_without_direction_is_not_testable(home: Path, tmp_path: Path) -> None:
    data = load_dataset(str(home / "tiny"))
    boxes = write_boxes(tmp_path / "boxes.csv", data, most=(0, 0, 32, 20), planted=(0, 0, 16, 16))
    result = judge(home, tmp_path / "out", regions=boxes, intervention="blur")
    findings = {finding["region"]: finding for finding in result.summary["findings"]}
    assert findings["most"]["verdict"] == "not testable" and findings["most"]["images"] == 0
    assert findings["most"]["why"] == "no room for random patches of its size, and blur predicts no direction"
    assert findings["planted"]["p"] is not None
    assert [row["region"] for row in result.summary["population"]] == ["planted"]


def save_constant(folder: Path, labels: tuple[str, ...] = ("COVID-19", "Mass")) -> Path:
    """Write a model that gives all images one score."""
    description = Description("classifier", "small-cnn", labels, InputSpec(32))
    model = factory.build_model(description, seed=0)
    for parameter in model.parameters():
        parameter.data.zero_()
    folder.mkdir()
    checkpoint.save_model(model, folder / "model.safetensors", description=description)
    return folder


def test_constant_model_is_not_testable(home: Path, tmp_path: Path) -> None:
    model = save_constant(tmp_path / "constant")
    options = {"dataset": str(home / "tiny"), "regions": home / "boxes.csv", **FEW, **CPU}
    result = swap_test(model, out=tmp_path / "out", split="all", **options)  # type: ignore[arg-type]
    assert set(result.verdicts) == {"not testable"}
    assert result.summary["findings"][0]["why"] == "the model gives all 200 images one score"
    assert tuple(pd.read_csv(tmp_path / "out" / "population.csv").columns) == POPULATION_COLUMNS
    assert sorted(tree(tmp_path / "out")) == sorted(
        ["boxes.csv", "changes.csv", "findings.csv", "population.csv", "run.json", "summary.json"]
    )


def save_untrained(folder: Path, kind: str, arch: str, *labels: str) -> Path:
    """Write a model that was trained on nobody."""
    described = Description(kind, arch, labels, InputSpec(32), recipe={"task": "masks"} if kind == "segmenter" else {})
    folder.mkdir()
    network = factory.build_model(described, seed=1)
    checkpoint.save_model(network, folder / "model.safetensors", description=described)
    return folder


class KilledError(Exception):
    """Stands for the end of a process."""


def test_interrupted_run_of_other_images_is_not_continued(tmp_path: Path) -> None:
    """Two folds whose images have the same classes and boxes, so that their trials differ by the images alone."""
    manifest = tiny_manifest(tmp_path / "tiny", people=80)
    persons = [f"P{number // 2:03d}" for number in range(160)]  # the order of names is that of the rows
    splits = {"split_0": ["val", "val", "test", "test"] * 40}
    write_dataset(tmp_path / "tiny", manifest.assign(person_id=persons, patient_id=persons, **splits))
    model = save_untrained(tmp_path / "run", "classifier", "small-cnn", "COVID-19")
    options = {"dataset": str(tmp_path / "tiny"), "preset": ["borders"], "out": tmp_path / "out", **FEW, **CPU}

    def kill(event: Mapping[str, object]) -> None:
        if (event["event"], event.get("done")) == ("trials", 20):
            raise KilledError

    with pytest.raises(KilledError):
        swap_test(model, split="test", report=kill, **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"--resume with other settings .* split was 'test' and is 'val'") as caught:
        swap_test(model, split="val", resume=True, **options)  # type: ignore[arg-type]
    assert "images was '" in caught.value.message and "trials was" not in caught.value.message
    assert swap_test(model, split="test", resume=True, **options).verdicts  # type: ignore[arg-type]


def test_interrupted_run_of_another_input_file_is_not_continued(home: Path, tmp_path: Path) -> None:
    boxes = tmp_path / "boxes.csv"
    boxes.write_text((home / "boxes.csv").read_text())

    def kill(event: Mapping[str, object]) -> None:
        if (event["event"], event.get("done")) == ("trials", 20):
            raise KilledError

    with pytest.raises(KilledError):
        judge(home, tmp_path / "out", regions=boxes, report=kill)
    boxes.write_text(boxes.read_text() + "other/image,planted,0,0,4,4\n")
    with pytest.raises(UsageError, match="sha256 of regions was '"):
        judge(home, tmp_path / "out", regions=boxes, resume=True)


def test_no_network_sees_more_images_at_a_time_than_was_asked_and_files_of_all_are_recorded(tmp_path: Path) -> None:
    tiny_dataset(tmp_path / "tiny", people=40)
    model = save_untrained(tmp_path / "run", "classifier", "small-cnn", "COVID-19")
    segmenter = save_untrained(tmp_path / "lungs", "segmenter", "unet-small", "lungs")
    sizes: list[int] = []

    def watch(module: nn.Module, arguments: tuple[torch.Tensor, ...]) -> None:
        if isinstance(module, nn.Conv2d):
            sizes.append(len(arguments[0]))

    hook = register_module_forward_pre_hook(watch)
    try:
        options = {"dataset": str(tmp_path / "tiny"), "preset": ["borders"], "split": "all", **FEW, **CPU}
        swap_test(model, segmenter=str(segmenter), batch_size=3, out=tmp_path / "out", **options)  # type: ignore[arg-type]
    finally:
        hook.remove()
    assert max(sizes) == 3
    inputs = json.loads((tmp_path / "out" / "run.json").read_text())["inputs"]
    assert inputs["segmenter"] == hashlib.sha256((segmenter / "model.safetensors").read_bytes()).hexdigest()


def test_too_few_pairs_are_not_testable(home: Path, tmp_path: Path) -> None:
    result = judge(home, tmp_path / "out", pairs=3)
    assert set(result.verdicts) == {"not testable"}
    assert result.summary["findings"][0]["why"].startswith("--pairs 3: 3 pairs reach p = 0.25 at best")


def test_training_patients_are_refused_unless_the_split_is_train(home: Path, tmp_path: Path) -> None:
    error = fails(home, tmp_path / "refused", split="all")
    assert isinstance(error, DataError) and "was trained on 75 of the 100 patients" in error.message
    result = judge(home, tmp_path / "out", split="train")
    assert result.notes[0] == "the model was trained on 50 of the 50 patients of this fold (--split train)"


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"label": "Mass"}, UsageError, "'Mass' is not a known label of this model"),
        ({"preset": ["borders"]}, UsageError, "--regions and --preset exclude each other"),
        ({"regions": None, "original_pixels": True}, UsageError, "--original-pixels says how --regions is read"),
        ({"intervention": "erase"}, UsageError, "'erase' is not a known intervention"),
        ({"to": "above"}, UsageError, "'above' is not a known destination"),
        ({"regions": None, "preset": ["marker"]}, UsageError, "'marker' is not a known preset"),
        ({"split": "tset"}, UsageError, "'tset' is not a known split"),
        ({"masks": Path("nowhere")}, MissingInputError, "'nowhere' is not a folder of masks"),
        ({"segmenter": "nowhere"}, MissingInputError, "nowhere"),
    ],
)
def test_wrong_options_are_refused(
    home: Path, tmp_path: Path, options: dict[str, object], kind: type[CxrshortError], message: str
) -> None:
    error = fails(home, tmp_path / "out", **options)
    assert isinstance(error, kind) and message in error.message and error.hint


def test_label_that_only_the_model_has_is_refused(home: Path, tmp_path: Path) -> None:
    model = save_constant(tmp_path / "constant")
    with pytest.raises(UsageError, match="'Mass' is not a known label"):
        swap_test(model, dataset=str(home / "tiny"), split="all", label="Mass", out=tmp_path / "out", **CPU)  # type: ignore[arg-type]


def test_segmenters_are_refused(home: Path, tmp_path: Path) -> None:
    segmenter = save_untrained(tmp_path / "lungs", "segmenter", "unet-small", "lungs")
    with pytest.raises(UsageError, match="is a segmenter, and swap-test takes classifiers"):
        swap_test(segmenter, dataset=str(home / "tiny"), out=tmp_path / "out", **CPU)  # type: ignore[arg-type]


def test_missing_table_of_boxes_is_refused(home: Path, tmp_path: Path) -> None:
    error = fails(home, tmp_path / "out", regions=tmp_path / "nowhere.csv")
    assert "nowhere.csv' cannot be read" in error.message


def test_dry_run_says_what_would_be_done_and_writes_nothing(home: Path, tmp_path: Path) -> None:
    result = judge(home, tmp_path / "out", dry_run=True)
    assert result.plan and not (tmp_path / "out").exists()
    # 100 trials before and after, 40 of them with a null of 30, and the 50 images of the fold.
    assert (result.summary["trials"], result.summary["forwards"]) == (100, 40 * 30 + 200 + 50)
    assert result.summary["regions"] == {"planted": 10, "innocent": 10} and result.summary["images_per_second"] > 0
    assert result.summary["outputs"] == [{"folder": str(tmp_path / "out"), "fate": "new", "reason": "", "hint": ""}]


def test_default_folder_says_what_is_off_its_default() -> None:
    data = Dataset("I", pd.DataFrame(), Path("I", "manifest.csv"))
    usual = {"split": "test", "label": None, "regions": None, "preset": (), "intervention": None}
    assert str(default_folder("runs/I/resnet18/erm", data, usual)) == "results/I-resnet18-erm/I-swap-test"
    options = {**usual, "preset": ["markers", "borders"], "intervention": "blur", "split": "val"}
    expected = "results/I-resnet18-erm/I-split-val-preset-markers+borders-intervention-blur-swap-test"
    assert str(default_folder("runs/I/resnet18/erm", data, options)) == expected
