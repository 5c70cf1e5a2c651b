"""``doctor`` says what is installed and which audits a model and a dataset allow."""

import json
from pathlib import Path

import pytest

from cxrshort.verbs import doctor as verb
from cxrshort.verbs.doctor import AUDITS, EXTRAS, doctor

from ..cli.console import cxrshort_here
from ..training.teacher_files import classifier, pipeline_of, save, segmenter
from ..training.tiny import tiny_dataset

CPU = ("--device", "cpu", "--precision", "fp32", "--threads", 1)
AUC, GAP, MASKS, GROUPS, STUDENT, EXPLAIN, SWAP, STRESS, CYCLEGAN = AUDITS


@pytest.fixture(scope="module")
def working_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two datasets, ``tiny`` and ``other``, and a model trained on ``tiny``."""
    folder = tmp_path_factory.mktemp("doctor")
    tiny_dataset(folder / "tiny", signal=12)
    tiny_dataset(folder / "other", name="other", seed=1)
    train = ("train", "--dataset", folder / "tiny", "--arch", "small-cnn", "--epochs", 1, "--out", folder / "run")
    assert cxrshort_here(*train, *CPU, "--quiet").exit_code == 0
    return folder


def missing(actual: dict[str, object]) -> dict[str, list[str]]:
    return {row["audit"]: row["missing"] for row in actual["audits"]}  # type: ignore[attr-defined]


def test_doctor_without_model_and_dataset_says_what_it_needs() -> None:
    actual = doctor(device="cpu").summary
    assert missing(actual)[AUC] == ["a MODEL", "--dataset D"]
    assert missing(actual)[MASKS] == ["--dataset D"]
    assert actual["machine"]["cores"] >= 1 and actual["machine"]["device"] == "cpu"
    assert actual["versions"]["torch"][0].isdigit()
    assert [row["name"] for row in actual["extras"]] == [distribution for distribution, _ in EXTRAS.values()]


def test_doctor_says_which_audits_are_possible(working_folder: Path) -> None:
    home = missing(doctor(str(working_folder / "run"), dataset=str(working_folder / "tiny"), device="cpu").summary)
    assert home[AUC] == []
    assert home[GAP] == ["a dataset of another hospital than the training dataset"]
    away = missing(doctor(str(working_folder / "run"), dataset=str(working_folder / "other"), device="cpu").summary)
    possible = (AUC, GAP, EXPLAIN, STUDENT, SWAP, STRESS, CYCLEGAN)
    assert [away[audit] for audit in possible] == [[]] * len(possible)


def test_doctor_says_what_a_teacher_lacks(working_folder: Path, tmp_path: Path) -> None:
    other = str(working_folder / "other")
    masked = save(classifier(background="noise", recipe={"mask_bit": "lungs"}), tmp_path / "masked")
    (lacking,) = missing(doctor(masked, dataset=other, device="cpu").summary)[STUDENT]
    assert lacking == "masks of every image: build-dataset --masks; or --segmenter MODEL"
    assert missing(doctor(save(pipeline_of(classifier()), tmp_path / "p"), dataset=other).summary)[STUDENT] == []
    lungs = save(segmenter(), tmp_path / "lungs")
    assert missing(doctor(lungs, dataset=other).summary)[STUDENT] == ["a classifier"]


def test_doctor_counts_patients_of_the_model(working_folder: Path, tmp_path: Path) -> None:
    lines = (working_folder / "tiny" / "manifest.csv").read_text().splitlines()
    moved = [line.replace(",train", ",test") for line in lines]
    (tmp_path / "all.csv").write_text("\n".join(moved) + "\n")
    actual = missing(doctor(str(working_folder / "run"), dataset=str(tmp_path / "all.csv"), device="cpu").summary)
    assert actual[AUC][0].startswith("patients of its own: the model was trained on ")


def test_extra_that_is_absent_has_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(verb.EXTRAS, "none", ("no_such_distribution", "nothing"))
    row = doctor(device="cpu").summary["extras"][-1]
    assert (row["version"], row["install"]) == ("", "pip install 'cxrshort[none]'")


def test_doctor_prints_a_table_and_a_document(working_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(working_folder)
    text = cxrshort_here("doctor", "run", "--dataset", "other", "--device", "cpu").stdout
    assert "device      cpu\n" in text
    assert f"yes   {AUC}: evaluate MODEL --dataset D\n" in text
    assert "\n      missing: masks of every image: build-dataset --masks" in text
    listed = json.loads(cxrshort_here("doctor", "run", "--dataset", "other", "--device", "cpu", "--json").stdout)
    assert listed["schema"] == "cxrshort.doctor/1"
    assert listed["model"]["architecture"] == "small-cnn" and listed["dataset"]["name"] == "other"


MACHINE = {"device": "cpu", "precision": "bf16", "threads": 2, "cores": 2, "free_cores": 2, "load": 0.1, "busy": False}


def test_busy_machine_is_said_with_what_to_set() -> None:
    quiet = dict(verb._describe_machine({**MACHINE, "disk_free_mib": 2048}))
    assert quiet["load"] == "other processes use 0.1 of 2 cores"
    busy = dict(verb._describe_machine({**MACHINE, "disk_free_mib": 2048, "load": 1.04, "free_cores": 1, "busy": True}))
    assert busy["load"] == (
        "other processes use 1.0 of 2 cores, which slows training down; with --threads 1 fewer threads wait for each "
        "other; in fp32 GOMP_SPINCOUNT=1000 helps too, which train and evaluate set"
    )
