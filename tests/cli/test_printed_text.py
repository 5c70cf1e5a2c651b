"""The exact text of the three commands' results; numbers that arithmetic may round otherwise are masked."""

import re
from pathlib import Path

import pytest

from ..training.tiny import tiny_dataset
from .console import cxrshort_here

CPU = ("--device", "cpu", "--precision", "fp32", "--threads", 1, "--quiet")


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CXRSHORT_DATA", "CXRSHORT_DATASETS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(*arguments: object) -> str:
    """Return what a command prints, with numbers like 0.123 as 0.###, and without spaces at line ends."""
    result = cxrshort_here(*arguments)
    assert result.exit_code == 0, result.stderr
    text = re.sub(r"\b[01]\.\d{3}\b", "#.###", result.stdout)
    return "".join(line.rstrip() + "\n" for line in text.splitlines())


def test_build_dataset_prints_repositories_and_the_accounting_sum(working_folder: Path) -> None:
    command = ("build-dataset", "--dataset", "phantom-I", "--images", 60, "--size", 32, "--jobs", 1)
    lines = printed(*command).splitlines()
    assert lines[0] == f"{'site-a, negative':>49}   {'site-b, positive':>16}   {'total':>11}"
    assert set(lines[1]) == {"─"}
    assert lines[2:5] == [
        f"{'images':<28}{32:>21}{28:>19}{60:>14}",
        f"{'patients':<28}{18:>21}{13:>19}{31:>14}",
        f"{'persons':<28}{18:>21}{13:>19}{31:>14}",
    ]
    assert lines[5] == f"{'view PA':<28}{'21 (65.6 %)':>21}{'5 (17.9 %)':>19}{'26 (43.3 %)':>14}"
    assert [line for line in lines if line.startswith("age, years: median [quartiles] ")]  # no mark-up of rich's
    assert not [line for line in lines if "not labelled" in line]
    worst = [line for line in lines if line.endswith("worst-case confounded")]
    assert [line.split()[1] for line in worst] == ["repository"]
    assert lines[-5] == "candidates 60 = rows 60 + excluded 0"
    assert re.fullmatch(r"5 splits by person; split_0: train \d+, test \d+, val \d+", lines[-4])
    assert lines[-3:-1] == [
        "rooms differ in: marker, border, shoulders, exposure, grain, view",
        "P(style | class): 100.0 % of a class has its style (50 % is chance; this is --confounding 1)",
    ]
    assert lines[-1] == "written to datasets/phantom-I"
    assert printed(*command, "--quiet", "--force").splitlines() == lines[-5:]
    verbose = printed(*command, "--verbose", "--force").splitlines()
    assert [line for line in verbose if "not labelled" in line]
    with Path("datasets/phantom-I/confounding.csv").open() as stream:
        measured = sum(1 for _ in stream) - 1
    start = next(number for number, line in enumerate(verbose) if line.startswith("label "))
    shown = len(verbose[start + 2 : verbose.index("", start)])
    assert f"the worst 12 of {shown}; all are in confounding.csv, and --verbose prints them" in lines
    assert 12 < shown <= measured


def test_cautions_of_confounding_stand_in_the_table(working_folder: Path) -> None:
    lines = printed("build-dataset", "--dataset", "phantom-I", "--images", 100, "--size", 32, "--jobs", 1).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("label "))
    assert lines[start].split("  ")[0] == "label" and "AUC" in lines[start]
    rows = lines[start : lines.index(next(line for line in lines if line.startswith("the worst 12 of ")))]
    assert [line for line in rows if re.search(r" \(only \d+ persons\) *$", line)]


def test_build_dataset_prints_why_images_were_left_out(test_data: Path, working_folder: Path) -> None:
    command = ("build-dataset", "--dataset", "github-covid", "--root", test_data, "--size", 16, "--jobs", 1)
    lines = printed(*command).splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("excluded because "))
    assert lines[start].split() == ["excluded", "because", "images"]
    end = lines.index("", start)
    counts = [int(line.rsplit(maxsplit=1)[1].replace(",", "")) for line in lines[start + 2 : end]]
    assert counts == sorted(counts, reverse=True)
    assert lines[end + 1 :] == ["written to datasets/github-covid"]
    total = next(line for line in lines[:start] if line.startswith("candidates "))
    candidates, rows, excluded = map(int, re.findall(r"\d+", total))
    assert total == f"candidates {candidates} = rows {rows} + excluded {excluded}"
    assert candidates == rows + excluded
    assert excluded == sum(counts)


def test_train_prints_what_chose_the_model(working_folder: Path) -> None:
    tiny_dataset(working_folder / "tiny")
    text = printed("train", "--dataset", "tiny", "--arch", "small-cnn", "--epochs", 2, "--out", "run", *CPU)
    assert re.sub(r"epoch [12] of", "epoch # of", text) == (
        "small-cnn with 2 labels, trained on 24 images\n"
        "epoch # of 2 is kept, with a validation AUC of COVID-19 of #.### [#.###, #.###]\n"
        "written to run/model.safetensors\n"
    )


def test_train_writes_below_runs_where_no_folder_is_named(working_folder: Path) -> None:
    tiny_dataset(working_folder / "tiny")
    text = printed("train", "--dataset", "tiny", "--arch", "small-cnn", "--epochs", 1, *CPU)
    assert text.splitlines()[-1] == "written to runs/tiny/small-cnn/erm+epochs-1/replicate-0/model.safetensors"


def test_train_dry_run_prints_its_forecast(working_folder: Path) -> None:
    tiny_dataset(working_folder / "tiny")
    text = printed("train", "--dataset", "tiny", "--arch", "small-cnn", "--dry-run", *CPU)
    facts = dict(re.split(r" {2,}", line, maxsplit=1) for line in text.splitlines() if "  " in line)
    assert list(facts) == [
        "would read", "would write", "architecture", "labels", "images", "epochs", "step", "disk", "memory", "time"
    ]  # fmt: skip
    assert re.fullmatch(r"24 images in [\d.e#-]+ s", facts["step"])  # printed() makes #.### of 0.123
    assert facts["would read"] == "tiny/manifest.csv"
    assert facts["would write"] == "runs/tiny/small-cnn/erm/replicate-0"
    assert re.fullmatch(r"small-cnn, [\d,]+ parameters", facts["architecture"])
    assert (facts["labels"], facts["images"], facts["epochs"]) == ("COVID-19, Edema", "train 24, val 12", "10")
    assert re.fullmatch(r"[\d.]+ MiB of [\d.,]+ [MG]iB free", facts["disk"])
    assert re.fullmatch(r"less than a minute, at [\d,]+ images/s on cpu", facts["time"])
    assert text.endswith("\nnothing was written\n")
    assert not Path("runs").exists()


def test_dry_run_says_that_an_occupied_folder_would_be_refused(working_folder: Path) -> None:
    tiny_dataset(working_folder / "tiny")
    command = ("train", "--dataset", "tiny", "--arch", "small-cnn", "--epochs", 1, "--out", "run", *CPU)
    printed(*command)
    refused = "as it stands, the run would be refused: 'run' exists already"
    text = printed(*command, "--dry-run")
    assert "would write    run (exists; this run would be refused)\n" in text
    assert text.splitlines()[-2:] == [refused, "hint: --force overwrites it, --out writes elsewhere"]
    text = printed(*command, "--dry-run", "--force")
    assert "would write    run (exists; --force overwrites it)\n" in text
    assert text.splitlines()[-1] == "nothing was written"
    assert "would write    run (complete already; --resume would" in printed(*command, "--dry-run", "--resume")


def test_evaluate_dry_run_prints_what_it_would_take(working_folder: Path) -> None:
    tiny_dataset(working_folder / "tiny")
    tiny_dataset(working_folder / "other", name="other", seed=1)
    printed("train", "--dataset", "tiny", "--arch", "small-cnn", "--epochs", 1, "--out", "run", *CPU)
    lines = printed("evaluate", "run", "--dataset", "tiny", "--dataset", "other", "--dry-run", *CPU).splitlines()
    assert lines[:6] == [
        "would read        run/model.safetensors",
        "                  tiny/manifest.csv",
        "                  other/manifest.csv",
        "would write       results/run/tiny+other",
        "label             COVID-19",
        "images to score   24 (tiny 12, other 12)",
    ]
    assert [line.split()[0] for line in lines[6:9]] == ["disk", "memory", "time"]
    assert not Path("results").exists()


def test_build_dry_run_prints_what_it_would_take(test_data: Path, working_folder: Path) -> None:
    command = ("build-dataset", "--dataset", "I", "--root", test_data, "--size", 16, "--jobs", 2, "--dry-run")
    lines = printed(*command, "--quiet").splitlines()
    assert lines[0].startswith("would read ") and lines[2].split() == ["would", "write", "datasets/I"]
    total = next(line for line in lines if line.startswith("candidates "))
    candidates, rows, excluded = (int(match.replace(",", "")) for match in re.findall(r"[\d,]+", total))
    assert candidates == rows + excluded
    # MiB for a process that did nothing else; this one may have trained networks before.
    assert re.search(r"^memory +(\d+ MiB|\d+\.\d GiB) for each of 2 workers$", "\n".join(lines), flags=re.MULTILINE)


def test_evaluate_prints_aucs_with_intervals_and_the_gap(working_folder: Path) -> None:
    tiny_dataset(working_folder / "tiny", signal=10)
    tiny_dataset(working_folder / "other", name="other", seed=1, signal=10)
    for replicate in (0, 1):
        printed("train", "--dataset", "tiny", "--arch", "small-cnn", "--epochs", 1,
                "--replicate", replicate, "--out", f"run-{replicate}", *CPU)  # fmt: skip
    datasets = ("--dataset", "tiny", "--dataset", "other", "--out", "results")
    lines = printed("evaluate", "run-0", "run-1", *datasets, *CPU).splitlines()
    assert lines[0] == "COVID-19, AUC with 95 % interval"
    training = "tiny/small-cnn/erm, epochs=1"
    assert lines[1] == f"{'training':<{len(training)}}   tested on   role       pos.   neg.   AUC"
    auc = r"#\.### \[#\.###, #\.###\], SD #\.### over 2( \(.+\))?"
    assert re.fullmatch(rf"{training}   tiny        internal      6      6   {auc}", lines[3])
    assert re.fullmatch(rf"{training}   other       external      6      6   {auc}", lines[4])
    assert lines[6] == f"{'training':<{len(training)}}   internal - external   generalization gap"
    gap = r"-?#\.### \[-?#\.###, -?#\.###\]"
    assert re.fullmatch(rf"{training}   tiny - other          {gap}", lines[8])
    assert lines[9:] == ["", "written to results"]


def test_labels_without_auc_are_a_note_on_stderr(working_folder: Path) -> None:
    tiny_dataset(working_folder / "tiny", signal=10)
    manifest = working_folder / "tiny" / "manifest.csv"
    printed("train", "--dataset", "tiny", "--arch", "small-cnn", "--epochs", 1, "--out", "run", *CPU)
    lines = [line.split(",") for line in manifest.read_text().splitlines()]
    column = lines[0].index("Edema")
    for line in lines[1:]:
        line[column] = "0" if "test" in line else line[column]
    manifest.write_text("".join(",".join(line) + "\n" for line in lines))
    loud = [word for word in CPU if word != "--quiet"]
    result = cxrshort_here("evaluate", "run", "--dataset", "tiny", "--out", "results", *loud)
    gap = "note: no generalization gap: tiny/small-cnn/erm, epochs=1 was tested on its own dataset alone; "
    gap += "--dataset NAME of another hospital gives the outside\n"
    note = "note: no AUC, one class only in a test fold: Edema (reasons in aucs.csv)\n"
    assert result.stderr == "scored 12 images of tiny with run\n" + gap + note


def test_verbose_evaluation_and_training_print_every_label_and_epoch(working_folder: Path) -> None:
    tiny_dataset(working_folder / "tiny", signal=10)
    tiny_dataset(working_folder / "other", name="other", seed=1, signal=10)
    loud = [word for word in CPU if word != "--quiet"]
    train = ("train", "--dataset", "tiny", "--arch", "small-cnn", "--epochs", 2, "--out", "run", *loud)
    lines = printed(*train, "--verbose").splitlines()
    assert lines[0].split("  ")[0] == "epoch"
    assert [line.split()[0] for line in lines[2:4]] == ["1", "2"]
    evaluate = ("evaluate", "run", "--dataset", "tiny", "--dataset", "other", "--out", "results", *loud)
    usual = printed(*evaluate).splitlines()
    whole = printed(*evaluate, "--verbose", "--force").splitlines()
    assert whole[: len(usual) - 1] == usual[:-1] and whole[-1] == usual[-1] == "written to results"
    titles = [line for line in whole if line.endswith(", AUC with 95 % interval")]
    assert titles == ["COVID-19, AUC with 95 % interval", "Edema, AUC with 95 % interval"]


def test_verbose_build_prints_the_detail_of_every_exclusion(test_data: Path, working_folder: Path) -> None:
    command = ("build-dataset", "--dataset", "github-covid", "--root", test_data, "--size", 16, "--jobs", 1)
    lines = printed(*command, "--verbose").splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("excluded because "))
    counts = [int(line.rsplit(maxsplit=1)[1].replace(",", "")) for line in lines[start + 2 : lines.index("", start)]]
    total = next(line for line in lines[:start] if line.startswith("candidates "))
    assert lines[start].split() == ["excluded", "because", "detail", "images"]
    assert f"excluded {sum(counts)}" in total and len(counts) > 5
