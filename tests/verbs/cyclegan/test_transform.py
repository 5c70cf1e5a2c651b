"""The verb ``cyclegan transform``: a dataset of transformed images, its bytes, and what is refused."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cxrshort import runs
from cxrshort.dataset import load_dataset
from cxrshort.errors import DataError, OutputError, ResumableError, UsageError
from cxrshort.generative.cyclegan.model import load_cyclegan, save_cyclegan
from cxrshort.generative.cyclegan.networks import Sizes, make_networks
from cxrshort.models import checkpoint
from cxrshort.models.people import hash_people
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.cyclegan.transform import transform

from ...generative.cyclegan.small import CPU
from ...generative.cyclegan.test_model import description
from ...training.tiny import tiny_dataset

HERE = {"device": "cpu", "precision": "fp32", "threads": 1}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a phantom dataset of 32 pixels, ``films``, and a small cyclegan of its training fold."""
    folder = tmp_path_factory.mktemp("home")
    build_dataset("phantom-I", out=folder / "films", number_of_images=60, size=32, jobs=1, replicates=2)
    write_model(folder)
    return folder


def write_model(folder: Path, *, name: str = "model", collapsed: bool = False) -> Path:
    """Write a cyclegan of random weights that says to be trained on the films."""
    data = load_dataset(str(folder / "films"))
    generators, _ = make_networks(Sizes(4, 1, 4), seed=0)
    if collapsed:
        for parameter in generators.parameters():
            parameter.data.zero_()
    people = data.manifest.loc[data.manifest["split_0"] == "train", "person_id"]
    made = description()
    header = type(made)(**{**vars(made), "pixels": data.recipe, "training_people": hash_people(people)})
    (folder / name).mkdir()
    save_cyclegan(generators, folder / name / "model.safetensors", description=header)
    return folder / name


def run(home: Path, out: Path, **options: Any) -> dict[str, Any]:
    """Transform the films toward the positives, and return the summary."""
    model = options.pop("model", str(home / "model"))
    return dict(transform(model, dataset=str(home / "films"), direction="to", out=out, **HERE, **options).summary)


def files_of(folder: Path) -> dict[str, bytes]:
    """Return the bytes of a dataset's files that say nothing of time and place."""
    names = ("images.npy", "masks.npy", "regions.csv", "excluded.csv", "transformed.png")
    return {name: (folder / name).read_bytes() for name in names}


def test_negatives_take_the_look_of_positives(home: Path, tmp_path: Path) -> None:
    summary = run(home, tmp_path / "out")
    before, after = load_dataset(str(home / "films")), load_dataset(str(tmp_path / "out"))
    sources = before.manifest.set_index("image_id").loc[after.manifest["source_image_id"]].reset_index()
    assert set(sources["COVID-19"]) == {0} and len(sources) == int((before.manifest["COVID-19"] == 0).sum())
    assert set(after.manifest["edit"]) == {"cyclegan to"}
    for name in ("person_id", "split_0", "split_1", "COVID-19", "Edema"):
        assert after.manifest[name].tolist() == sources[name].tolist()
    positions = pd.Index(before.manifest["image_id"]).get_indexer(after.manifest["source_image_id"])
    expected = load_cyclegan(home / "model", CPU).transform_pixels(before.pixels.take(positions), "to")
    assert np.abs(after.pixels.take(range(len(positions))).astype(int) - expected).max() <= 1
    assert summary["change"] > 0 and summary["persons_trained_on"] > 0


def test_masks_and_regions_are_those_of_the_sources(home: Path, tmp_path: Path) -> None:
    run(home, tmp_path / "out")
    before, after = load_dataset(str(home / "films")), load_dataset(str(tmp_path / "out"))
    positions = pd.Index(before.manifest["image_id"]).get_indexer(after.manifest["source_image_id"])
    assert before.masks is not None and after.masks is not None
    assert np.array_equal(after.masks.take(range(len(positions))), before.masks.take(positions))
    boxes = pd.read_csv(tmp_path / "out" / "regions.csv")
    assert set(boxes["image_id"]) <= set(after.manifest["image_id"]) and len(boxes)


def test_shards_and_interruptions_leave_the_bytes_as_they_are(home: Path, tmp_path: Path) -> None:
    run(home, tmp_path / "whole")
    for shard in ("1/3", "2/3", "3/3"):
        run(home, tmp_path / "parts", shard=shard)
    run(home, tmp_path / "parts", merge=True)
    assert files_of(tmp_path / "parts") == files_of(tmp_path / "whole")

    def interrupt(event: object) -> None:
        assert isinstance(event, dict)
        if event["done"] > 16:
            raise KeyboardInterrupt

    with pytest.raises(ResumableError):
        run(home, tmp_path / "broken", report=interrupt)
    assert not (tmp_path / "broken" / runs.DONE).exists()
    run(home, tmp_path / "broken", resume=True)
    assert files_of(tmp_path / "broken") == files_of(tmp_path / "whole")


def test_expression_chooses_other_images(home: Path, tmp_path: Path) -> None:
    data = load_dataset(str(home / "films"))
    assert run(home, tmp_path / "all", where="")["rows"] == len(data.manifest)
    assert run(home, tmp_path / "some", where='view == "PA"', split="test", replicate=1)["rows"] == int(
        ((data.manifest["view"] == "PA") & (data.manifest["split_1"] == "test")).sum()
    )


def test_test_fold_has_no_patient_of_the_training(home: Path, tmp_path: Path) -> None:
    result = transform(
        str(home / "model"), dataset=str(home / "films"), direction="from", split="test", out=tmp_path / "a", **HERE
    )
    assert result.summary["persons_trained_on"] == 0 and not any("trained on" in note for note in result.notes)
    result = transform(str(home / "model"), dataset=str(home / "films"), direction="from", out=tmp_path / "b", **HERE)
    assert any(note.endswith("--split test leaves them out") for note in result.notes)


def test_collapsed_generator_is_said(home: Path, tmp_path: Path) -> None:
    model = home / "collapsed" if (home / "collapsed").exists() else write_model(home, name="collapsed", collapsed=True)
    result = transform(str(model), dataset=str(home / "films"), direction="to", out=tmp_path / "out", **HERE)
    assert any(
        note.startswith(
            "the generator toward '`COVID-19` == 1' has collapsed: it makes one image of all (they differ by 0%"
        )
        for note in result.notes
    )


def test_full_disk_is_one_clear_error_and_resume_ends_the_dataset(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: object) -> int:
        del content
        raise OSError(28, "No space left on device", str(path))

    def fill(event: Mapping[str, Any]) -> None:
        if event["event"] == "images" and event["done"] == event["of"]:
            monkeypatch.setattr(Path, "write_bytes", full)

    with pytest.raises(OutputError, match="cannot be written: no space left on device"):
        run(home, tmp_path / "out", report=fill)
    monkeypatch.undo()
    assert not (tmp_path / "out" / "run.json").exists()
    run(home, tmp_path / "out", resume=True)
    run(home, tmp_path / "unbroken")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "unbroken")


def test_images_of_another_size_are_refused(home: Path, tmp_path: Path) -> None:
    data = tiny_dataset(tmp_path / "large", name="large", size=64)
    with pytest.raises(DataError) as caught:
        transform(str(home / "model"), dataset=str(data), direction="to", out=tmp_path / "out", **HERE)
    assert caught.value.message == (
        f"the images of large are '64 x 64' pixels, '{home / 'model'}' was trained on 32 x 32"
    )
    assert caught.value.hint == "build-dataset with --size 32"
    assert not (tmp_path / "out").exists()


def test_images_made_in_another_way_are_refused(home: Path, tmp_path: Path) -> None:
    folder = tiny_dataset(tmp_path / "other", name="other")
    record = json.loads((folder / "run.json").read_text())
    made = checkpoint.read_description(home / "model" / "model.safetensors").pixels
    changed = "pad" if made["fit"] != "pad" else "crop"
    (folder / "run.json").write_text(json.dumps({**record, "recipe": {**made, "fit": changed}}))
    with pytest.raises(DataError, match="was trained on images made with fit"):
        transform(str(home / "model"), dataset=str(folder), direction="to", out=tmp_path / "out", **HERE)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"direction": "forth"}, "--direction is 'forth', it must be to or from"),
        ({"direction": "to", "where": "COVID-19 == 0.5"}, "films: no image fulfils 'COVID-19 == 0.5'"),
        ({"direction": "to", "shard": "1/2", "merge": True}, "--shard and --merge exclude each other"),
    ],
)
def test_options_that_ask_for_nothing_are_refused(
    home: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError) as caught:
        transform(str(home / "model"), dataset=str(home / "films"), out=tmp_path / "out", **HERE, **options)
    assert caught.value.message == message


def test_dry_run_writes_nothing(home: Path, tmp_path: Path) -> None:
    result = transform(
        str(home / "model"), dataset=str(home / "films"), direction="to", out=tmp_path / "out", dry_run=True, **HERE
    )
    assert result.plan and not (tmp_path / "out").exists()
    assert result.summary["outputs"][0]["fate"] == "new" and result.summary["images_per_second"] > 0
