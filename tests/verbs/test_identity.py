"""Two hospitals of one name and colliding patient ids, through all three verbs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrshort.dataset import load_dataset
from cxrshort.datasets.repositories.reading import ReadOptions
from cxrshort.errors import DataError, UsageError
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.evaluate import evaluate
from cxrshort.verbs.train import train

CPU = {"device": "cpu", "precision": "fp32", "threads": 1}
FILMS = 48


def hospital(home: Path, *, seed: int, first: int = 0) -> Path:
    """Write films of patients P0, P1, ... with a table; other films for other seeds."""
    draw = np.random.default_rng(seed)
    (home / "films").mkdir(parents=True)
    rows = ["path,patient_id,COVID-19,view"]
    for number in range(first, first + FILMS):
        pixels = draw.integers(0, 255, (40, 40), dtype=np.uint8)
        Image.fromarray(pixels).save(home / "films" / f"{seed}-{number}.png")
        rows.append(f"films/{seed}-{number}.png,P{number // 2},{number % 2},PA")
    (home / "table.csv").write_text("\n".join(rows) + "\n")
    return home


def build(root: Path, out: Path, **more: object) -> Path:
    options = ReadOptions(table=root / "table.csv")
    build_dataset("folder", root=root, out=out / "folder", size=32, jobs=1, replicates=2, options=options, **more)
    return out / "folder"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the datasets a/folder, again/folder (of the same films) and b/folder, and a model of a."""
    home = tmp_path_factory.mktemp("identity")
    for name, seed in (("a", 1), ("b", 2)):
        build(hospital(home / f"root-{name}", seed=seed), home / name)
    build(home / "root-a", home / "again")
    train(str(home / "a" / "folder"), arch="small-cnn", overrides={"epochs": 1}, out=home / "model", **CPU)
    return home


def test_dataset_built_again_is_the_same_one_and_another_hospital_is_not(home: Path) -> None:
    a, again, b = (load_dataset(str(home / name / "folder")) for name in ("a", "again", "b"))
    assert a.name == again.name == b.name == "folder"
    assert a.dataset_id == again.dataset_id != b.dataset_id
    assert set(a.manifest["patient_id"]) == set(b.manifest["patient_id"])
    assert not set(a.manifest["person_id"]) & set(b.manifest["person_id"])


def test_hospitals_of_one_name_with_colliding_patients_are_evaluated_as_external(home: Path, tmp_path: Path) -> None:
    sides = [str(home / "again" / "folder"), str(home / "b" / "folder")]
    summary = evaluate([home / "model"], dataset=sides, out=tmp_path / "out", **CPU).summary
    assert [row["role"] for row in summary["means"]] == ["internal", "external"]
    assert len({row["dataset"] for row in summary["means"]}) == 2
    evaluate([home / "model"], dataset=sides[1:], split="all", out=tmp_path / "all", **CPU)


def test_training_patients_are_refused_whatever_the_dataset_is_called(home: Path, tmp_path: Path) -> None:
    named = build(home / "root-a", tmp_path, name="elsewhere")
    with pytest.raises(DataError) as caught:
        evaluate([home / "model"], dataset=[str(named)], split="all", out=tmp_path / "out", **CPU)
    assert "patients of elsewhere (all)" in caught.value.message


def test_parts_of_one_folder_share_their_patients(home: Path, tmp_path: Path) -> None:
    part = build(home / "root-a", tmp_path, where="COVID-19 == 1")
    people = set(load_dataset(str(part)).manifest["person_id"])
    assert people == set(load_dataset(str(home / "a" / "folder")).manifest["person_id"])


def test_same_patients_joins_a_later_folder_to_an_earlier_one(home: Path, tmp_path: Path) -> None:
    later = build(hospital(tmp_path / "root", seed=3), tmp_path, same_patients=str(home / "a" / "folder"))
    with pytest.raises(DataError) as caught:
        evaluate([home / "model"], dataset=[str(later)], split="all", out=tmp_path / "out", **CPU)
    assert "was trained on" in caught.value.message
    with pytest.raises(UsageError) as refused:
        build_dataset("phantom-I", out=tmp_path / "p", number_of_images=20, size=32, same_patients=str(later))
    assert refused.value.message == "--same-patients is for films of your own, and an earlier dataset of them"
