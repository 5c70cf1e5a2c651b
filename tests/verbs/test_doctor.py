"""``doctor`` says what is installed and which audits a model and a dataset allow."""

import json
from pathlib import Path

import pytest

from cxrshort.dataset import load_dataset
from cxrshort.models.people import hash_people
from cxrshort.verbs import doctor as verb
from cxrshort.verbs.doctor import AUDITS, EXTRAS, doctor

from ..cli.console import cxrshort_here
from ..training.teacher_files import classifier, pipeline_of, save, segmenter
from ..training.tiny import tiny_dataset
from .cyclegan.test_audit import save_gan

CPU = ("--device", "cpu", "--precision", "fp32", "--threads", 1)
AUC, GAP, MASKS, GROUPS, STUDENT, EXPLAIN, SWAP, STRESS, CYCLEGAN, TRANSFORM = AUDITS


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


def test_doctor_describes_a_cyclegan_and_what_it_allows(working_folder: Path, tmp_path: Path) -> None:
    gan = save_gan(tmp_path / "gan")
    record = {"state": "done", "summary": {"diagnosis": ["the generator toward 'COVID-19 == 1' has collapsed"]}}
    (gan / "run.json").write_text(json.dumps(record))
    result = doctor(str(gan), dataset=str(working_folder / "tiny"), device="cpu")
    model, allowed = result.summary["model"], missing(result.summary)
    assert model["sides"] == {"from": "COVID-19 == 0", "to": "COVID-19 == 1"}
    assert (model["kind"], model["size"], model["width"], model["blocks"]) == ("cyclegan", 32, 4, 1)
    assert list(result.notes) == model["diagnosis"] == record["summary"]["diagnosis"]
    assert verb._describe_input(model) == (
        f"name {gan}, kind cyclegan, trained on other, replicate 0, images of 32 x 32, width 4, blocks 1, from "
        "'COVID-19 == 0' to 'COVID-19 == 1'"
    )
    assert allowed[CYCLEGAN] == allowed[TRANSFORM] == []
    assert [allowed[audit] for audit in (AUC, GAP, STUDENT, EXPLAIN, SWAP, STRESS)] == [["a classifier"]] * 6
    assert doctor(str(gan / "model.safetensors"), device="cpu").summary["model"]["diagnosis"] == model["diagnosis"]


def test_doctor_says_what_a_cyclegan_lacks(working_folder: Path, tmp_path: Path) -> None:
    data = working_folder / "tiny"
    persons = load_dataset(str(data)).fold("test", replicate=0).manifest["person_id"]
    large = tiny_dataset(tmp_path / "large", size=48)
    cases = [
        ({"training_people": hash_people(persons)}, data, "was trained on 6 of the 6 patients of tiny (test)"),
        ({}, large, "has images of 48 x 48 pixels, and the CycleGAN was trained on 32 x 32"),
        ({"labels": ("view == 'PA'", "view == 'LL'")}, data, "no image of tiny (test) is on the side 'view == 'LL''"),
    ]
    for number, (changes, images, said) in enumerate(cases):
        gan = save_gan(tmp_path / str(number), **changes)
        (reason,) = missing(doctor(str(gan), dataset=str(images), device="cpu").summary)[TRANSFORM]
        assert said in reason
    assert missing(doctor(str(working_folder / "run"), device="cpu").summary)[TRANSFORM] == [
        "a model of cyclegan train",
        "--dataset D",
    ]


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
