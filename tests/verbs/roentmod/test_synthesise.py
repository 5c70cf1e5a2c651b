"""A synthetic dataset, in one piece and in parts, beside real images, and trained on."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxrshort.dataset import load_dataset
from cxrshort.errors import ResumableError, UsageError
from cxrshort.generative.roentmod.opening import EditorOptions
from cxrshort.models import checkpoint
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.roentmod.synthesise import synthesise
from cxrshort.verbs.train import train

CPU: dict[str, Any] = {"device": "cpu", "precision": "fp32", "threads": 1}
PHANTOM: dict[str, Any] = {"editor": "phantom", "images": 6, "prompts": ["edema", "cardiomegaly"], "size": 32, **CPU}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a synthetic dataset, and a table of what readers saw."""
    home = tmp_path_factory.mktemp("synthetic")
    (home / "readers.csv").write_text(
        "added,Edema,Cardiomegaly,Effusion\nEdema,0.97,0.92,0.2\nCardiomegaly,0.46,0.92,0.1\n"
    )
    synthesise(out=home / "whole", off_target=str(home / "readers.csv"), **PHANTOM)
    return home


def test_rows_are_films_and_edits_of_synthetic_persons(home: Path) -> None:
    data = load_dataset(str(home / "whole"))
    rows = data.manifest
    assert len(rows) == 6 * (1 + 3 * 2) and set(rows["repository"]) == {"synthetic"}
    assert rows["edit"].value_counts().to_dict() == {"": 6, "edema": 12, "cardiomegaly": 12, "sham": 12}
    folds = rows.groupby("person_id")["split_0"].nunique()
    assert len(folds) == 6 and (folds == 1).all()
    assert data.recipe == {"size": 32, "fit": "crop", "equalise": False}
    assert (home / "whole" / "edits.png").is_file() and not (home / "whole" / "baselines.npy").exists()


def test_labels_are_the_shares_that_readers_saw(home: Path) -> None:
    rows = load_dataset(str(home / "whole")).manifest
    edema, film = rows[rows["edit"] == "edema"].iloc[0], rows[rows["edit"] == ""].iloc[0]
    assert edema["Edema"] == 1 and edema["Cardiomegaly"] == np.float32(0.92) and edema["Effusion"] == np.float32(0.2)
    assert np.isnan(edema["Mass"])  # nobody looked
    labels = load_dataset(str(home / "whole")).labels
    assert (film[labels].astype(float) == 0).all()
    assert (rows.loc[rows["edit"] == "sham", labels] == 0).all().all()


def test_shards_make_the_same_bytes(home: Path, tmp_path: Path) -> None:
    options = {"off_target": str(home / "readers.csv"), "name": "whole", **PHANTOM}
    for number in (2, 1, 3):
        synthesise(out=tmp_path / "parts", shard=f"{number}/3", **options)
    synthesise(out=tmp_path / "parts", merge=True, **options)
    assert (tmp_path / "parts" / "images.npy").read_bytes() == (home / "whole" / "images.npy").read_bytes()
    tables = [
        pd.read_csv(folder / "manifest.csv").drop(columns="cache") for folder in (tmp_path / "parts", home / "whole")
    ]
    pd.testing.assert_frame_equal(*tables)


def test_interrupted_run_resumes_to_the_same_bytes(home: Path, tmp_path: Path) -> None:
    def interrupt(event: Any) -> None:
        if event["event"] == "edits" and event["done"] > 10:
            raise KeyboardInterrupt

    options = {"off_target": str(home / "readers.csv"), **PHANTOM}
    with pytest.raises(ResumableError):
        synthesise(out=tmp_path / "again", report=interrupt, **options)
    synthesise(out=tmp_path / "again", resume=True, **options)
    assert (tmp_path / "again" / "images.npy").read_bytes() == (home / "whole" / "images.npy").read_bytes()


def test_real_images_say_size_and_the_nearest_are_listed(tmp_path: Path) -> None:
    build_dataset("phantom-III", out=tmp_path / "real", number_of_images=24, size=32, jobs=1, replicates=1)
    options = {**PHANTOM, "size": None, "prompts": ["edema"], "repetitions": 1, "sham": False}
    result = synthesise(out=tmp_path / "made", compare_with=str(tmp_path / "real"), **options)
    nearest = pd.read_csv(tmp_path / "made" / "nearest" / "nearest.csv")
    assert len(nearest) == 12 and set(nearest["nearest_image_id"]) <= set(
        load_dataset(str(tmp_path / "real")).manifest["image_id"]
    )
    made = load_dataset(str(tmp_path / "made"))
    assert made.recipe == load_dataset(str(tmp_path / "real")).recipe
    assert result.summary["nearest"]["compared_with"] == "real" and result.verdicts
    assert any("memorise" in note for note in result.notes) and any("without a sham" in note for note in result.notes)
    again = synthesise(out=tmp_path / "made", compare_with=str(tmp_path / "real"), resume=True, **options)
    assert again.summary["rows"] == 12


def test_model_is_trained_on_real_and_synthetic_images_with_soft_labels(home: Path, tmp_path: Path) -> None:
    build_dataset("phantom-III", out=tmp_path / "real", number_of_images=200, size=32, jobs=1, replicates=1)
    overrides = {"epochs": 1, "mix": 0.4, "labels": "Edema,Cardiomegaly,Effusion"}
    result = train(
        f"{tmp_path / 'real'}+{home / 'whole'}", arch="small-cnn", overrides=overrides, out=tmp_path / "run", **CPU
    )
    synthetic = result.summary["synthetic"]
    assert synthetic["synthetic_per_epoch"] / (synthetic["synthetic_per_epoch"] + synthetic["real_per_epoch"]) == (
        pytest.approx(0.4, abs=0.02)
    )
    assert synthetic["held_out_images"] == 0
    description = checkpoint.read_description(tmp_path / "run" / "model.safetensors")
    assert description.recipe["synthetic_dataset"] == load_dataset(str(home / "whole")).dataset_id


def test_generator_of_a_folder_draws_and_edits(tmp_path: Path) -> None:
    """Random weights: films are noise, in one piece and in shards, larger than they are stored."""
    pytest.importorskip("diffusers")
    from tests.generative.roentmod.tiny_pipeline import build

    options = EditorOptions(generator=str(build(tmp_path / "pipeline")), steps=5, strength=0.6, batch_size=2)
    common: dict[str, Any] = {"images": 4, "prompts": ["edema"], "repetitions": 1, "size": 16, "generator_size": 64}
    common |= {"options": options, "name": "made", **CPU}
    result = synthesise(out=tmp_path / "made", **common)
    assert result.summary["rows"] == 12 and result.summary["films"] == 4
    assert any("--compare-with D lists the nearest real image" in note for note in result.notes)
    data = load_dataset(str(tmp_path / "made"))
    edema = data.manifest["edit"] == "edema"
    assert data.manifest.loc[edema, "Edema"].eq(1).all() and data.manifest.loc[edema, "Mass"].isna().all()
    assert len({picture.tobytes() for picture in data.pixels.take(range(12))}) == 12
    for number in (1, 2):
        synthesise(out=tmp_path / "parts", shard=f"{number}/2", **common)
    synthesise(out=tmp_path / "parts", merge=True, **common)
    assert (tmp_path / "parts" / "images.npy").read_bytes() == (tmp_path / "made" / "images.npy").read_bytes()
    plan = synthesise(out=tmp_path / "none", dry_run=True, **common)
    assert plan.plan and plan.summary["films"] == 4 and plan.summary["edits"] == 8 and plan.summary["hours"] >= 0
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shard": "1/4"}, "6 films cannot be divided among 4 parts, which must hold as many films each"),
        ({"shard": "1/2", "merge": True}, "--shard and --merge exclude each other"),
        ({"images": 0}, "--images is '0', it must be 1 or more"),
        ({"size": 4}, "--size is '4', for phantoms it must be from 32 to "),
        ({"generator_size": 64}, "--generator-size is of the editor 'diffusion', not of 'phantom'"),
        ({"options": EditorOptions(severity=2.0)}, "--severity is '2', it must be above 0 and at most 1"),
        ({"editor": "diffusion", "size": 900, "generator_size": 64, "options": EditorOptions(generator="x")},
         "--size is '900', it must be from 1 to --generator-size 64"),
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        synthesise(out=tmp_path / "out", **{**PHANTOM, **options})
    assert caught.value.message.startswith(message)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("side", "noted"), [(64, False), (32, True)])
def test_films_of_another_size_than_the_generator_s_are_noted(tmp_path: Path, side: int, noted: bool) -> None:
    from tests.generative.roentmod.tiny_pipeline import build

    options = EditorOptions(generator=str(build(tmp_path / "pipeline")), steps=5, strength=0.6, batch_size=1)
    plan = synthesise(
        editor="diffusion", images=1, prompts=["edema"], size=32, generator_size=side, options=options,
        out=tmp_path / "out", dry_run=True, **CPU,
    )  # fmt: skip
    expected = "the generator makes pictures of 64 pixels, and draws films of 32 here: --generator-size 64"
    assert any(note.startswith(expected) for note in plan.notes) == noted
