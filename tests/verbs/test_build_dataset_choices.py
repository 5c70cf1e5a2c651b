"""What a user can choose when a dataset is built: rows, samples, metadata alone, masks, benchmarks."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from cxrshort.columns import MASK_BITS
from cxrshort.dataset import load_dataset
from cxrshort.datasets.building import settings
from cxrshort.datasets.building.image_source import of_files
from cxrshort.datasets.building.pixel_recipes import PixelRecipe
from cxrshort.datasets.cohorts import Candidates
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import CxrshortError, UsageError
from cxrshort.images.cache import create_cache
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.evaluate import evaluate
from cxrshort.verbs.train import train

from ..corpus import film
from ..datasets.benchmarks.copies import make_mnist
from ..datasets.lookalikes import any_folder as folder


@pytest.fixture(scope="module")
def real(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build dataset I from the real radiographs, small."""
    folder = tmp_path_factory.mktemp("real") / "I"
    build_dataset("I", root=test_data, out=folder, size=64, replicates=2)
    return folder


def test_candidates_are_rows_plus_excluded(real: Path) -> None:
    summary = json.loads((real / "run.json").read_text())["summary"]
    excluded = pd.read_csv(real / "excluded.csv", dtype=str)
    manifest = pd.read_csv(real / "manifest.csv")
    assert summary["candidates"] == len(manifest) + len(excluded) == 1751
    assert not excluded["reason"].isna().any()


def test_films_under_two_patient_ids_are_one_person(real: Path) -> None:
    people = pd.read_csv(real / "manifest.csv").set_index("patient_id")["person_id"]
    for one, other in (("78", "201"), ("137", "202"), ("192", "196"), ("193", "195")):
        ids = [f"github-covid:{patient}" for patient in (one, other)]
        if all(identity in people.index for identity in ids):
            assert people.loc[ids].nunique() == 1
    assert people.nunique() < people.index.nunique()


def test_published_masks_and_boxes_come_along(real: Path) -> None:
    manifest = load_dataset(str(real)).manifest
    masked = manifest[manifest["mask_row"].notna()]
    masks = np.load(real / "masks.npy")
    assert len(masked) == len(masks) > 200
    assert set(masked["repository"]) == {"github-covid"}
    lungs = (masks & MASK_BITS["lungs"]).astype(bool).mean(axis=(1, 2))
    assert 0.1 < np.median(lungs) < 0.6
    regions = pd.read_csv(real / "regions.csv")
    assert set(regions["image_id"]) <= set(manifest["image_id"])
    assert ((regions["x0"] < regions["x1"]) & (regions["x1"] <= 64)).all()


def test_where_keeps_the_rows_that_fulfil_it(test_data: Path, tmp_path: Path) -> None:
    where = "view == 'PA' and age_years >= 18"
    summary = build_dataset("chestx-ray14", root=test_data, out=tmp_path / "out", size=16, where=where).summary
    manifest = pd.read_csv(tmp_path / "out" / "manifest.csv")
    assert set(manifest["view"]) == {"PA"}
    assert manifest["age_years"].min() >= 18
    assert summary["excluded"] == {"outside --where": 1000 - len(manifest)}


def test_sample_draws_alike_from_each_value(test_data: Path, tmp_path: Path) -> None:
    options = {"root": test_data, "size": 16, "sample": 20, "per": "repository"}
    build_dataset("I", out=tmp_path / "first", **options)
    build_dataset("I", out=tmp_path / "second", **options)
    manifests = [pd.read_csv(tmp_path / name / "manifest.csv") for name in ("first", "second")]
    assert manifests[0]["repository"].value_counts().to_dict() == {"chestx-ray14": 20, "github-covid": 20}
    assert manifests[0]["image_id"].tolist() == manifests[1]["image_id"].tolist()


def test_metadata_only_gives_the_roentmod_cohort_its_published_size(test_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "ChestX-ray14"
    folder.mkdir(parents=True)
    packed = test_data / "nih" / "Data_Entry_2017_first_release.csv.gz"
    (folder / "Data_Entry_2017.csv").write_bytes(gzip.decompress(packed.read_bytes()))
    summary = build_dataset(
        "roentmod-nih", root=tmp_path / "data", out=tmp_path / "out", metadata_only=True, replicates=1
    ).summary
    assert (summary["rows"], summary["patients"]) == (64_628, 27_713)
    assert summary["published"] == {"images": 64_628, "patients": 27_713}
    assert not (tmp_path / "out" / "images.npy").exists()
    with pytest.raises(CxrshortError, match="the manifest has no cached images"):
        _ = load_dataset(str(tmp_path / "out")).pixels


def test_benchmark_brings_its_own_split_classes_and_masks(tmp_path: Path) -> None:
    make_mnist(tmp_path / "copies")
    summary = build_dataset(
        "coloured-mnist", root=tmp_path / "copies", out=tmp_path / "out", confounder_strength=0.9
    ).summary
    data = load_dataset(str(tmp_path / "out"))
    assert data.pixels.image_shape == (3, 28, 28)
    assert (data.manifest[data.labels].sum(axis=1) == 1).all()
    assert set(data.fold("test", replicate=0).manifest["group"]) == {"biased", "unbiased", "deceiving"}
    assert summary["candidates"] == summary["rows"] + sum(summary["excluded"].values())
    assert "digit" in json.loads((tmp_path / "out" / "run.json").read_text())["masks"]


OTHERWISE_READ = {
    "include_other_findings": True,
    "covid_labels": "certain",
    "views": ("PA",),
    "uncertain": "negative",
    "labeler": "negbio",
    "age_unit": "drop",
    "day_first": True,
    "require_windowing": True,
    "require_report": True,
    "table": Path("t.csv"),
    "corrections": Path("c.csv"),
}


def spelt(name: str) -> str:
    """Return how the command line says an option or a setting."""
    return f"--set {name}" if name in settings.NAMES else f"--{name.replace('_', '-')}"


@pytest.mark.parametrize(
    ("dataset", "options", "message"),
    [
        ("phantom-I", {"where": "view == 'PA'"}, "--where is for repositories"),
        ("phantom-I", {"metadata_only": True}, "--metadata-only is for repositories"),
        ("coloured-mnist", {"sample": 3}, "--sample is for repositories"),
        ("I", {"confounding": 0.5}, "--confounding is for phantom datasets"),
        ("I", {"bias": 0.8}, "--bias is for phantom datasets"),
        ("I", {"shortcuts": ("marker",)}, "--shortcut is for phantom datasets"),
        ("I", {"comorbidities": ("Edema,Mass=0.1",)}, "--comorbidity is for phantom datasets"),
        ("phantom-I", {"root": Path("data")}, "--root is for repositories and benchmarks"),
        ("phantom-I", {"confounder_strength": 1.0}, "--set confounder_strength is for benchmarks"),
        ("chestx-ray14", {"confounder_strength": 0.5}, "--set confounder_strength is for benchmarks"),
        ("phantom-I", {"mask_patterns": ("{stem}.png",)}, "--mask-pattern is for repositories"),
        ("chestx-ray14", {"mask_patterns": ("{stem}.png",)}, "--mask-pattern needs --masks"),
        ("chestx-ray14", {"metadata_only": True, "figures": True}, "--metadata-only and --figures exclude each other"),
        ("coloured-mnist", {"number_of_images": 9}, "--images is for phantom datasets"),
        *[
            (dataset, {"options": ReadOptions(**{name: value})}, f"{spelt(name)} is for repositories")
            for dataset in ("phantom-I", "coloured-mnist")
            for name, value in OTHERWISE_READ.items()
        ],
        ("I", {"options": ReadOptions(labeler="negbio")}, "--set labeler is for mimic-cxr"),
        ("I", {"options": ReadOptions(require_report=True)}, "--set require_report is for bimcv+, bimcv-"),
        (
            "chestx-ray14",
            {"options": ReadOptions(uncertain="negative")},
            "--set uncertain is for chexpert, mimic-cxr, folder",
        ),
        ("I,roentmod-nih", {}, "'I,roentmod-nih' reads chestx-ray14 in two ways"),
    ],
)
def test_options_that_a_dataset_has_no_use_for_are_refused(tmp_path, test_data, dataset, options, message) -> None:
    with pytest.raises(UsageError) as caught:
        build_dataset(
            dataset, **{"root": test_data if "phantom" not in dataset else None, **options}, out=tmp_path / "out"
        )
    assert caught.value.message == message
    assert not (tmp_path / "out").exists()


def test_numbers_that_a_phantom_was_drawn_with_stand_in_its_record(tmp_path: Path) -> None:
    recorded = []
    for name, options in (("usual", {}), ("named", {"confounding": 1.0})):
        build_dataset("phantom-I", out=tmp_path / name, number_of_images=12, size=32, jobs=1, **options)
        recorded.append(json.loads((tmp_path / name / "run.json").read_text())["arguments"])
    assert {**recorded[0], "options": "", "name": ""} == {**recorded[1], "options": "", "name": ""}
    assert (recorded[0]["confounding"], recorded[0]["images"]) == (1.0, 12)
    manifests = [(tmp_path / name / "manifest.csv").read_text() for name in ("usual", "named")]
    assert manifests[0].replace("/usual", "/named") == manifests[1]


def test_what_was_planted_in_a_phantom_stands_in_its_record(tmp_path: Path) -> None:
    plan = {"shortcuts": ("view", "marker"), "comorbidities": ("Edema,Effusion=0.4",)}
    options = {"number_of_images": 12, "size": 32, "jobs": 1, **plan}
    summary = build_dataset("phantom-I", out=tmp_path / "bias", bias=0.8, **options).summary
    build_dataset("phantom-I", out=tmp_path / "confounding", confounding=0.6, **options)
    records = [json.loads((tmp_path / name / "run.json").read_text()) for name in ("bias", "confounding")]
    alike = [{**record["arguments"], "options": "", "name": ""} for record in records]
    assert alike[0] == alike[1]
    arguments = records[0]["arguments"]
    assert (arguments["shortcuts"], arguments["comorbidities"]) == (["marker", "view"], ["Edema,Effusion=0.4"])
    planted = records[0]["summary"]["planted"]
    assert planted == summary["planted"]
    assert (planted["share"], planted["confounding"], planted["shortcuts"]) == (0.8, 0.6, ["marker", "view"])
    assert planted["comorbidities"][0]["labels"] == ["Edema", "Effusion"]
    dry = build_dataset("phantom-I", out=tmp_path / "dry", bias=0.8, dry_run=True, **options).summary
    assert dry["planted"] == planted


def test_folder_of_images_needs_no_code(test_data: Path, tmp_path: Path) -> None:
    table = tmp_path / "labels.csv"
    names = sorted(path.name for path in (test_data / "nih" / "images").glob("*.png"))[:6]
    table.write_text(
        "file,MRN,pcr\n" + "".join(f"{name},P{number},{number % 2}\n" for number, name in enumerate(names))
    )
    columns = (("path", "file"), ("patient_id", "MRN"), ("COVID-19", "pcr"))
    options = ReadOptions(table=table, column_map=columns, views=("PA", "AP", "UNKNOWN"))
    summary = build_dataset(
        "folder", root=test_data / "nih" / "images", out=tmp_path / "out", size=32, options=options
    ).summary
    manifest = pd.read_csv(tmp_path / "out" / "manifest.csv")
    assert manifest["patient_id"].tolist() == [f"folder:P{number}" for number in range(6)]
    assert manifest["COVID-19"].tolist() == [0, 1, 0, 1, 0, 1]
    assert summary["candidates"] == summary["rows"] + sum(summary["excluded"].values())


def test_window_of_a_sidecar_and_a_flip_reach_the_pixels(tmp_path: Path) -> None:
    home = tmp_path / "in"
    home.mkdir()
    ramp = np.tile(np.linspace(0, 65535, 32).astype(np.uint16), (32, 1)).T
    Image.fromarray(ramp).save(home / "film.png")
    header = {"00281050": {"vr": "DS", "Value": [8192]}, "00281051": {"vr": "DS", "Value": [16384]}}
    (home / "film.json").write_text(json.dumps(header))
    rows = pd.DataFrame(
        {"path": ["film.png"] * 3, "repository": "r", "correction": ["", "", "flip"], "sidecar": ["", "film.json", ""]}
    )
    candidates = Candidates(rows, pd.DataFrame(), {}, root=home)
    _, image_source = of_files(candidates, size=32, recipe=PixelRecipe())
    cache = create_cache(tmp_path / "images.npy", (3, 32, 32))
    image_source.make({"images.npy": tmp_path / "images.npy"}, [0, 1, 2], [0, 1, 2], 1, lambda done: None)
    plain, windowed, flipped = np.array(cache, dtype=int)
    assert windowed[-1].min() == 255 > plain[16].max()
    assert (flipped == plain[::-1]).all()
    assert len(set(image_source.fingerprints)) == 4


def test_recipe_of_tea_equalises_and_is_recorded_and_other_images_are_refused(test_data: Path, tmp_path: Path) -> None:
    for name, options in (("plain", {}), ("tea", {"recipe": "tea2025"})):
        build_dataset("github-covid", root=test_data, out=tmp_path / name, size=64, **options)
    tea, plain = (np.load(tmp_path / name / "images.npy") for name in ("tea", "plain"))
    record = json.loads((tmp_path / "tea" / "run.json").read_text())
    assert record["recipe"] == {"size": 64, "fit": "squash", "equalise": True, "test_fit": "pad"}
    # A flat histogram has its mean in the middle, whatever the exposure of the film was.
    assert tea.mean((1, 2)).std() < plain.mean((1, 2)).std() / 3
    assert abs(tea.mean() - 127.5) < 8
    train(
        str(tmp_path / "tea"),
        arch="small-cnn",
        overrides={"epochs": 1, "labels": "view"},
        out=tmp_path / "run",
        device="cpu",
    )
    with pytest.raises(CxrshortError) as caught:
        evaluate([tmp_path / "run"], dataset=[str(tmp_path / "plain")], out=tmp_path / "results", device="cpu")
    assert caught.value.message.endswith(
        "was trained on images made with equalise 'True' and fit 'squash', plain has equalise 'False' and fit 'crop'"
    )
    assert caught.value.hint == "build-dataset with --equalise --fit squash"


@pytest.mark.parametrize("option", [{"recipe": "tea2025"}, {"fit": "pad"}, {"equalise": True}, {"test_fit": "pad"}])
def test_what_happens_to_files_is_refused_where_there_are_none(tmp_path: Path, option: dict[str, object]) -> None:
    with pytest.raises(UsageError) as caught:
        build_dataset("phantom-I", out=tmp_path / "out", number_of_images=40, size=32, **option)  # type: ignore[arg-type]
    assert caught.value.message == f"{spelt(next(iter(option)))} is for repositories"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"options": ReadOptions(views=("PA", "FOO"))}, "'FOO' is not a known view"),
        ({"options": ReadOptions(covid_labels="foo")}, "'foo' is not a known kind of COVID-19 label"),
        ({"options": ReadOptions(table=Path("t.csv"))}, "--table is for --dataset folder"),
        ({"options": ReadOptions(column_map=(("a", "b"),))}, "--column is for --dataset folder"),
        ({"options": ReadOptions(corrections=Path("/nowhere.csv"))}, "'/nowhere.csv' does not exist"),
        ({"masks": Path("/nowhere")}, "'/nowhere' does not exist"),
        ({"masks": Path("/"), "metadata_only": True}, "--metadata-only and --masks exclude each other"),
        ({"per": "view"}, "--per needs --sample"),
    ],
)
def test_what_would_be_ignored_or_found_too_late_is_refused(
    test_data: Path, tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(CxrshortError) as caught:
        build_dataset("github-covid", root=test_data, out=tmp_path / "out", **options)  # type: ignore[arg-type]
    assert caught.value.message == message
    assert not (tmp_path / "out").exists()


def test_dry_run_writes_nothing_at_all(tmp_path: Path) -> None:
    folder(tmp_path / "root")
    before = sorted(tmp_path.rglob("*"))
    build_dataset("folder", root=tmp_path / "root", out=tmp_path / "deep" / "out", dry_run=True)
    assert sorted(tmp_path.rglob("*")) == before


def test_pixel_spacing_of_dicom_files_is_kept(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a.dcm").write_bytes(film(PixelSpacing=[0.2, 0.3], PatientID="P1"))
    (tmp_path / "root" / "b.dcm").write_bytes(film(PatientID="P2"))
    build_dataset("folder", root=tmp_path / "root", out=tmp_path / "out", size=16, replicates=1)
    manifest = load_dataset(str(tmp_path / "out")).manifest
    assert manifest["pixel_height_mm"].tolist() == pytest.approx([0.2, np.nan], nan_ok=True)
    assert manifest["pixel_width_mm"].tolist() == pytest.approx([0.3, np.nan], nan_ok=True)


def test_every_label_is_looked_at_for_confounding_and_the_planted_column_of_a_benchmark_too(tmp_path: Path) -> None:
    make_mnist(tmp_path / "copies")
    build_dataset("coloured-mnist", root=tmp_path / "copies", out=tmp_path / "mnist", figures=True, jobs=1)
    actual = pd.read_csv(tmp_path / "mnist" / "confounding.csv")
    assert actual["label"].nunique() == 10 and "confounder" in set(actual["column"])
    assert {"average-images.png", "contact-sheet.png"} <= {path.name for path in (tmp_path / "mnist").iterdir()}
    build_dataset("phantom-II", out=tmp_path / "phantom", number_of_images=150, size=32, jobs=1)
    labels = pd.read_csv(tmp_path / "phantom" / "confounding.csv")["label"]
    assert labels.nunique() > 5
