"""The verb ``cyclegan train``: folders, several processes, repository against repository."""

from pathlib import Path

import pytest

from cxrshort.dataset import load_dataset
from cxrshort.errors import UsageError
from cxrshort.generative.cyclegan.model import load_cyclegan
from cxrshort.verbs.cyclegan.train import train

from ...generative.cyclegan.small import CPU, SMALL
from ...training.test_distributed_steps import run_two
from ...training.tiny import tiny_dataset, tiny_manifest, write_dataset

HERE = {"device": "cpu", "precision": "fp32", "threads": 1}
OPTIONS = ["--width", "4", "--set", "blocks=1", "--set", "discriminator_width=4", "--batch-size", "4", "--epochs", "2"]
OPTIONS += ["--sample-every", "3"]
SIDES = {"from_side": "COVID-19 == 0", "to_side": "COVID-19 == 1"}


def test_default_folder_names_dataset_sides_and_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_dataset(tmp_path / "tiny", signal=50)
    monkeypatch.chdir(tmp_path)
    result = train("tiny", **SIDES, overrides={**SMALL, "epochs": 1}, **HERE)
    assert result.folder is not None and result.file == result.folder / "model.safetensors"
    parts = result.folder.parts
    assert parts[:3] == ("runs", "tiny", "cyclegan") and parts[-1] == "replicate-0"
    assert parts[3].startswith("COVID-19-0-to-COVID-19-1-")
    assert parts[3].endswith("+epochs-1+batch-size-4+width-4+blocks-1+discriminator-width-4")
    assert [path.name for path in result.figures] == ["training.png", "step-0000003.png"]
    with pytest.raises(UsageError, match="--name 'a/b' is not the name of a folder"):
        train("tiny", **SIDES, name="a/b", **HERE)


def test_repositories_are_sides_like_any_others(tmp_path: Path) -> None:
    manifest = tiny_manifest(tmp_path / "two")
    manifest["repository"] = ["nih" if row // 2 % 2 else "github" for row in range(len(manifest))]
    write_dataset(tmp_path / "two", manifest, name="two")
    sides = {"from_side": 'repository == "nih"', "to_side": 'repository == "github"'}
    train(str(tmp_path / "two"), **sides, overrides={**SMALL, "epochs": 1}, out=tmp_path / "run", **HERE)
    assert load_cyclegan(tmp_path / "run", CPU).sides["to"] == 'repository == "github"'


def test_wrong_distance_of_looks_is_refused(tmp_path: Path) -> None:
    tiny_dataset(tmp_path / "tiny")
    with pytest.raises(UsageError, match="--sample-every is '0', it must be 1 or more"):
        train(str(tmp_path / "tiny"), **SIDES, sample_every=0, **HERE)


def test_two_processes_train_the_model_of_one(tmp_path: Path) -> None:
    """Up to the order of sums: the weights agree to 1e-3 after six steps of Adam, whose first is a sign."""
    tiny_dataset(tmp_path / "tiny", signal=50)
    words = ["cyclegan", "train", "--dataset", "tiny", "--from", SIDES["from_side"], "--to", SIDES["to_side"]]
    words += [*OPTIONS, "--device", "cpu", "--precision", "fp32", "--threads", "1", "--out"]
    run_two(*words, "two", cwd=tmp_path)
    train(str(tmp_path / "tiny"), **SIDES, overrides=SMALL, sample_every=3, out=tmp_path / "one", **HERE)
    pixels = load_dataset(str(tmp_path / "tiny")).pixels.take(range(8))
    alone, shared = (load_cyclegan(tmp_path / name, CPU).transform_pixels(pixels, "to") for name in ("one", "two"))
    assert abs(alone.astype(int) - shared.astype(int)).max() <= 2
