"""``tea-distill`` from the options to what the run records, and what is refused before anything heavy is loaded."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from cxrshort.models import checkpoint
from cxrshort.training import DISTILLATIONS
from cxrshort.training.job import CHECKPOINT

from ..training.teacher_files import classifier, masked_dataset, pipeline_of, save, segmenter
from .console import cxrshort_here, failure, run, start

CPU = ("--device", "cpu", "--precision", "fp32", "--threads", 1)
QUICK = ("--epochs", 1, "--batch-size", 12, *CPU, "--quiet")
EXAMPLE = "cxrshort tea-distill --teacher MODEL --dataset phantom-I --arch densenet121"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("distillation")
    masked_dataset(home / "tiny")
    save(classifier(), home / "plain")
    save(pipeline_of(classifier()), home / "pipe")
    save(segmenter(), home / "lungs")
    return home


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(folder)
    return folder


def distil(*words: object) -> Any:
    return cxrshort_here("tea-distill", "--dataset", "tiny", "--arch", "small-cnn", *words)


def test_options_and_settings_stand_in_the_model_file(here: Path, tmp_path: Path) -> None:
    words = {
        "--teacher": "plain",
        "--segmenter": "lungs",
        "--background": "black",
        "--mask-bit": "lungs",
        "--recipe": "tea2025-mnist",
        "--init": "teacher",
        "--output-bias": "zero",
        "--select-label": "Edema",
        "--lr": 0.02,
        "--replicate": 1,
        "--seed": 5,
    }
    given = [word for pair in words.items() for word in pair]
    sets = ("--no-freeze-last", "--set", "loss=l1", "--set", "momentum=0.5")
    result = distil(*given, *sets, *QUICK, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.stderr
    description = checkpoint.read_description(tmp_path / "run" / "model.safetensors")
    settings = "init=teacher,epsilon=1e-2:1e-1,output_bias=zero,loss=l1,background=black"
    assert dict(part.split("=") for part in description.recipe["settings"].split(",")) == dict(
        part.split("=") for part in settings.split(",")
    )
    recipe = {name: description.recipe[name] for name in ("method", "select_label", "learning_rate", "momentum")}
    assert recipe == {"method": "tea", "select_label": "Edema", "learning_rate": 0.02, "momentum": 0.5}
    assert (description.replicate, description.seed) == (1, 5)


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (("--whole-image",), {"background": "none", "learns_on": False}),
        (("--masks",), {"background": "noise", "learns_on": False}),
        (("--set", "background=black"), {"background": "black", "learns_on": False}),
        (("--co-train", "--set", "warm_up_epochs=0"), {"background": "noise", "learns_on": True}),
    ],
)
def test_result_says_what_the_teacher_saw(
    here: Path, tmp_path: Path, words: tuple[str, ...], shown: dict[str, object]
) -> None:
    result = distil("--teacher", "pipe", *words, *QUICK, "--out", tmp_path / "run", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["schema"] == "cxrshort.training/1" and document["figures"] == ["training.png", "agreement.png"]
    assert document["teacher"].items() >= ({"model": "pipe"} | shown).items()
    assert set(document["in_use"]) == {"student", "teacher"} and len(document["history"]) == 1
    assert -1 <= document["distillation"]["logit_correlation"] <= 1


def test_result_for_people_compares_student_and_teacher(here: Path, tmp_path: Path) -> None:
    result = distil("--teacher", "pipe", *QUICK, "--out", tmp_path / "run")
    lines = result.stdout.splitlines()
    assert lines[0] == "small-cnn with 2 labels, trained on 24 images"
    assert lines[2].startswith("the logits of student and teacher correlate at ")
    assert lines[3].split() == ["validation", "AUC", "of", "COVID-19", "parameters", "images/s"]
    assert [lines[row].split()[::2][:1] for row in (5, 6)] == [["student"], ["teacher"]]
    assert lines[6].split()[2] == "2,042,192" or int(lines[6].split()[2].replace(",", "")) > 10**6
    assert lines[-1] == f"written to {tmp_path / 'run'}/model.safetensors"


@pytest.mark.parametrize(
    ("words", "missing"),
    [
        (("--arch", "small-cnn", "--teacher", "plain"), "--dataset"),
        (("--arch", "small-cnn", "--dataset", "tiny"), "--teacher"),
        (("--teacher", "plain", "--dataset", "tiny"), "--arch"),
    ],
)
def test_dataset_teacher_and_architecture_are_asked_for(here: Path, words: tuple[str, ...], missing: str) -> None:
    assert failure(cxrshort_here("tea-distill", *words)) == (2, f"{missing} is missing", EXAMPLE)


REFUSED: dict[str, tuple[tuple[object, ...], int, str, str]] = {
    "unknown method": (("--method", "teaa"), 2, "'teaa' is not a known method of tea-distill", "did you mean 'tea'?"),
    "method of train": (("--method", "erm"), 2, "'erm' does not learn from a teacher", "cxrshort train --method erm"),
    "recipe of train": (
        ("--recipe", "degrave2021"),
        2,
        "the recipe 'degrave2021' trains by 'erm', which does not learn from a teacher",
        "--recipe help lists those that do; or give --method",
    ),
    "segmenter and masks": (
        ("--segmenter", "lungs", "--masks"),
        2,
        "--segmenter and --masks exclude each other",
        "give one of them",
    ),
    "background without masks": (
        ("--background", "noise"),
        2,
        "--background is 'noise', and the teacher sees whole images",
        "--segmenter MODEL or --masks says where the background is",
    ),
    "option and setting": (
        ("--init", "random", "--set", "init=teacher"),
        2,
        "--init and --set init say the same setting",
        "give one of them",
    ),
    "unknown setting": (("--set", "foo=1"), 2, "'foo' is not a known setting of tea", "--set help lists them"),
    "unknown start": (("--init", "student"), 2, "'student' is not a known start", "one of: teacher, random"),
    "no segmenter": (("--segmenter", "nowhere"), 66, "'nowhere' does not exist", "cxrshort train makes a model"),
}


@pytest.mark.parametrize("case", list(REFUSED))
def test_bad_input_is_refused(here: Path, tmp_path: Path, case: str) -> None:
    words, code, message, hint = REFUSED[case]
    assert failure(distil("--teacher", "plain", *words, *QUICK, "--out", tmp_path / "run")) == (code, message, hint)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("teacher", "failed"),
    [
        ("nowhere", (66, "'nowhere' does not exist", "cxrshort train makes a model")),
        (
            "lungs",
            (2, "'lungs' draws masks, it cannot teach labels", "--segmenter takes it, and --teacher the classifier"),
        ),
    ],
)
def test_what_is_no_teacher_is_refused(here: Path, teacher: str, failed: tuple[int, str, str]) -> None:
    assert failure(distil("--teacher", teacher, *QUICK)) == failed


def test_train_points_from_a_distillation_to_this_verb(here: Path) -> None:
    assert failure(cxrshort_here("train", "--method", "tea", "--dataset", "tiny", "--arch", "small-cnn")) == (
        2,
        "'tea' learns from a teacher",
        "cxrshort tea-distill --method tea --teacher MODEL",
    )
    failed = failure(cxrshort_here("train", "--recipe", "distillation", "--dataset", "tiny", "--arch", "small-cnn"))
    assert failed[1:] == (
        "'tea' learns from a teacher, and there is none",
        "cxrshort tea-distill --method tea --teacher MODEL",
    )


def test_help_in_the_place_of_a_value_lists_what_there_is() -> None:
    methods = json.loads(cxrshort_here("tea-distill", "--method", "help", "--json").stdout)
    assert list(methods["methods"]) == list(DISTILLATIONS)
    recipes = json.loads(cxrshort_here("tea-distill", "--recipe", "help", "--json").stdout)["recipes"]
    assert {"distillation", "tea2025-xray"} <= set(recipes) and "standard" not in recipes
    settings = cxrshort_here("tea-distill", "--set", "help").stdout
    assert "  epsilon " in settings and "  co_train " not in settings
    assert cxrshort_here("tea-distill", "--arch", "help").stdout.startswith("architecture")


def test_interrupted_run_exits_with_75_and_resumes_to_the_same_bytes(here: Path, tmp_path: Path) -> None:
    words = ("tea-distill", "--dataset", "tiny", "--arch", "small-cnn", "--teacher", "pipe", *CPU)
    long = (*words, "--epochs", 15, "--batch-size", 12)
    with start(*long, "--out", tmp_path / "run", cwd=here) as process:
        log, deadline = tmp_path / "run" / "log.jsonl", time.monotonic() + 120
        while not (log.exists() and '"epoch"' in log.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        stderr = process.communicate()[1]
    assert process.returncode == 75, stderr
    assert (tmp_path / "run" / CHECKPOINT).exists() and "--resume" in stderr
    assert run(*long, "--out", tmp_path / "run", "--resume", cwd=here).returncode == 0
    assert run(*long, "--out", tmp_path / "whole", cwd=here).returncode == 0
    whole, resumed = ((tmp_path / name / checkpoint.FILE).read_bytes() for name in ("whole", "run"))
    assert whole == resumed
