"""What every command keeps: exit codes, one error and one hint, results on stdout, the rest on stderr."""

import contextlib
import errno
import json
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cxrshort import __version__
from cxrshort.errors import UsageError
from cxrshort.models import factory

from ..nobody import powerless_folder
from ..training.tiny import tiny_dataset
from .console import COMMAND, cxrshort_here, environment, failure, start

CPU = ("--device", "cpu", "--precision", "fp32", "--threads", 1)
TRAIN = ("train", "--dataset", "tiny", "--arch", "small-cnn", "--epochs", 1, "--out", "run", *CPU)
BUILD = ("build-dataset", "--dataset", "folder", "--root", "films", "--size", 16)
BUILT = ("build-dataset", "train", "evaluate", "explain", "swap-test", "cyclegan", "roentmod", "tea-distill", "stats")
"""All verbs."""
EVALUATE = ("evaluate", "run", "--dataset", "tiny", "--out", "results", *CPU)


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to an empty folder with the dataset ``tiny``; nothing from this machine's environment counts."""
    for name in ("CXRSHORT_DATA", "CXRSHORT_DATASETS", "CXRSHORT_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tiny_dataset(tmp_path / "tiny", signal=12)


def test_version_is_printed() -> None:
    result = cxrshort_here("--version")
    assert (result.exit_code, result.stdout, result.stderr) == (0, f"cxrshort {__version__}\n", "")


def test_help_names_all_nine_verbs() -> None:
    result = cxrshort_here("--help")
    assert result.exit_code == 0
    for verb in BUILT:
        assert f"  {verb} " in result.stdout
    assert len(BUILT) == 9


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("verb", BUILT)
def test_every_verb_has_help(verb: str, option: str) -> None:
    result = cxrshort_here(verb, option)
    assert result.exit_code == 0
    assert f"Usage: cxrshort {verb} " in result.stdout or f"Usage: root {verb} " in result.stdout
    assert result.stderr == ""


def test_missing_dataset_exits_with_2() -> None:
    hint = "cxrshort train --dataset phantom-I --arch densenet121"
    assert failure(cxrshort_here("train", "--arch", "small-cnn")) == (2, "--dataset is missing", hint)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (("--arch", "densnet121"), (2, "'densnet121' is not a known architecture", "did you mean 'densenet121'?")),
        (("--arch", "qqq"), (2, "'qqq' is not a known architecture", "--arch help lists them")),
        (("--method", "ERN"), (2, "'ERN' is not a known method", "did you mean 'erm'?")),
        (("--recipe", "degrave21"), (2, "'degrave21' is not a known recipe", "did you mean 'degrave2021'?")),
        (("--augment", "degrav"), (2, "'degrav' is not a known augmentation", "did you mean 'degrave'?")),
        (("--labels", "Edemma"), (2, "'Edemma' is not a known label", "did you mean 'Edema'?")),
        (("--select-label", "COVID"), (2, "'COVID' is not a known label of this model", "did you mean 'COVID-19'?")),
        (("--replicate", 7), (2, "--replicate is '7', and 'tiny' has 2 splits",
                              "choose --replicate from 0 to 1; or build-dataset with --replicates 8")),
        (("--device", "tpu"), (2, "'tpu' is not a known device", "one of: auto, cpu, cuda, cuda:N, mps")),
        (("--precision", "fp8"), (2, "'fp8' is not a known precision", "one of: auto, fp32, bf16")),
        (("--epochs", 0), (2, "--epochs is '0', it must be above 0", "")),
        (("--weights", "no.pt"), (66, "'no.pt' does not exist", "--weights takes none, imagenet or a file")),
        (("--dataset", "phantom-I"), (66, "'phantom-I' is not built yet",
                                      "cxrshort build-dataset --dataset phantom-I")),
        (("--dataset", "no/such"), (66, "'no/such' does not exist",
                                    "give a dataset folder, a manifest file, or the name of a dataset")),
        (("--out", "tiny/manifest.csv"), (73, "'tiny/manifest.csv' is a file, not a folder", "choose another --out")),
        (("--out", "tiny/manifest.csv/run"), (73, "--out 'tiny/manifest.csv/run' lies in an input, 'tiny'",
                                              "choose another --out")),
    ],
)  # fmt: skip
def test_train_refuses_with_one_sentence_and_a_hint(
    working_folder: Path, changed: tuple[object, ...], expected: tuple[int, str, str]
) -> None:
    assert failure(cxrshort_here(*TRAIN, "--quiet", *changed)) == expected
    assert not Path("run").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--dataset", "phantom-1"), (2, "'phantom-1' is not a known dataset", "did you mean 'phantom-I'?")),
        (("--dataset", "phantom-I", "--size", 3),
         (2, "--size is '3', it must be from 8 to 4096", "the papers use 224")),
        (("--dataset", "phantom-I", "--fit", "squish", "--images", 4),
         (2, "'squish' is not a known fit", "did you mean 'squash'?")),
    ],
)  # fmt: skip
def test_build_dataset_refuses_with_one_sentence_and_a_hint(
    working_folder: Path, arguments: tuple[object, ...], expected: tuple[int, str, str]
) -> None:
    assert failure(cxrshort_here("build-dataset", "--quiet", "--out", "out", *arguments)) == expected
    assert not Path("out").exists()


def test_manifest_with_a_patient_in_two_splits_exits_with_65(working_folder: Path) -> None:
    manifest = working_folder / "manifest.csv"
    lines = manifest.read_text().splitlines()
    lines[1] = ",".join([*lines[1].split(",")[:-2], "test", "test"])
    manifest.write_text("\n".join(lines) + "\n")
    code, message, hint = failure(cxrshort_here(*TRAIN))
    assert (code, hint) == (65, "run build-dataset again")
    assert message == "manifest.csv: 1 patient is in both train and test of 'split_0' (tiny/P0)"


@pytest.fixture
def trained(working_folder: Path) -> Path:
    assert cxrshort_here(*TRAIN, "--quiet").exit_code == 0
    return working_folder


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (("--label", "edema "), (2, "'edema ' is not a known label of these models", "did you mean 'Edema'?")),
        (("--split", "tests"), (2, "'tests' is not a known split", "one of: train, val, test, all")),
        (("--split", "train"), (65, "'run/model.safetensors' was trained on 12 of the 12 patients of tiny (train)",
                                "--split test takes the fold that training never saw")),
        (("nowhere",), (66, "'nowhere' does not exist",
                        "cxrshort train makes a model")),
        (("tiny/manifest.csv",), (65, "'tiny/manifest.csv' is not a model file", "cxrshort train makes a model")),
    ],
)  # fmt: skip
def test_evaluate_refuses_with_one_sentence_and_a_hint(
    trained: Path, changed: tuple[object, ...], expected: tuple[int, str, str]
) -> None:
    assert failure(cxrshort_here(*EVALUATE, "--quiet", *changed)) == expected
    assert not Path("results").exists()


def test_occupied_output_exits_with_73(trained: Path) -> None:
    hint = "--force overwrites it, --out writes elsewhere"
    assert failure(cxrshort_here(*TRAIN)) == (73, "'run' exists already", hint)
    Path("mine").mkdir()
    Path("mine/notes.txt").touch()
    expected = (73, "'mine' holds files that are not a run of cxrshort, such as 'notes.txt'", "choose another --out")
    assert failure(cxrshort_here(*TRAIN, "--out", "mine", "--force")) == expected
    assert cxrshort_here(*TRAIN, "--force", "--quiet").exit_code == 0


OVER_INPUTS = [
    (TRAIN, "tiny", "--out 'tiny' holds an input, 'tiny/manifest.csv'"),
    (TRAIN, "tiny/../tiny/run", "--out 'tiny/../tiny/run' lies in an input, 'tiny'"),
    (
        (*TRAIN, "--method", "rrr", "--mask-file", "masks/lungs.npy"),
        "masks",
        "--out 'masks' holds an input, 'masks/lungs.npy'",
    ),
    (EVALUATE, "run", "--out 'run' holds an input, 'run/model.safetensors'"),
    (EVALUATE, "link", "--out 'link' holds an input, 'run/model.safetensors'"),
    (EVALUATE, "tiny", "--out 'tiny' holds an input, 'tiny/manifest.csv'"),
    (EVALUATE, ".", "--out '.' holds an input, 'run/model.safetensors'"),
    (BUILD, "films", "--out 'films' holds an input, '{cwd}/films'"),
    (BUILD, "films/built", "--out 'films/built' lies in an input, '{cwd}/films'"),
    ((*BUILD, "--table", "tables/a.csv"), "tables", "--out 'tables' holds an input, 'tables/a.csv'"),
]


def test_output_within_an_input_exits_with_73_and_changes_nothing(trained: Path) -> None:
    for folder in ("films", "masks", "tables"):
        Path(folder).mkdir()
    Path("link").symlink_to("run")
    Image.fromarray(np.zeros((16, 16), np.uint8)).save("films/P1.png")
    np.save("masks/lungs.npy", np.repeat([[[False], [True]]], 48, 0).repeat(16, 1).repeat(32, 2))
    Path("tables/a.csv").write_text("path,COVID-19\nP1.png,1\n")
    before = sorted(Path().rglob("*"))
    for command, out, message in OVER_INPUTS:
        for more in ((), ("--force",)):
            printed = failure(cxrshort_here(*command, "--quiet", "--out", out, *more))
            assert printed == (73, message.format(cwd=Path.cwd()), "choose another --out")
    for command, out, message in OVER_INPUTS[1], OVER_INPUTS[3], OVER_INPUTS[7]:  # one of each verb
        foreseen = cxrshort_here(*command, "--quiet", "--out", out, "--force", "--dry-run")
        assert foreseen.exit_code == 0 and f"would be refused: {message.format(cwd=Path.cwd())}" in " ".join(
            foreseen.stdout.split()
        )
    assert sorted(Path().rglob("*")) == before


def test_read_only_folder_exits_with_73(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with powerless_folder() as folder:  # what training imports is there, since it has trained once
        tiny_dataset(folder / "tiny", signal=12)
        (folder / "locked").mkdir(mode=0o555)
        monkeypatch.chdir(folder)
        code, message, hint = failure(cxrshort_here(*TRAIN, "--out", "locked/run"))
    assert (code, message) == (73, "'locked/run' cannot be written: permission denied")
    assert hint == "free the space or choose another --out"


@contextlib.contextmanager
def smaller_files_than(size: int) -> Iterator[None]:
    """Limit the size of files, which fails where a full disk would: in the middle of writing."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_full_disk_exits_with_73(working_folder: Path) -> None:
    with smaller_files_than(50_000):
        result = cxrshort_here(
            "build-dataset", "--dataset", "phantom-I", "--images", 8, "--size", 128, "--jobs", 1, "--out", "out"
        )
    assert result.exit_code == 73, result.stderr
    reason = os.strerror(errno.EFBIG).lower()
    error, hint = result.stderr.splitlines()
    assert error == f"error: 'out/.partial.images.npy' cannot be written ({reason}); it needs 0 MiB"
    assert hint == "hint: choose another folder with --out"


def test_disk_that_fills_up_during_training_exits_with_73_and_loses_nothing(working_folder: Path) -> None:
    with smaller_files_than(30_000):
        result = cxrshort_here(*TRAIN, "--out", "full")
    assert result.exit_code == 73, result.stderr
    error = result.stderr.splitlines()[-2]
    assert error == f"error: 'full/.state.pt' cannot be written: {os.strerror(errno.EFBIG).lower()}"
    assert cxrshort_here(*TRAIN, "--out", "full", "--resume").exit_code == 0


def test_results_go_to_stdout_and_progress_to_stderr(working_folder: Path) -> None:
    built = cxrshort_here(*TRAIN)
    assert built.stderr.startswith("epoch 1: loss 0.")
    assert "epoch 1: " not in built.stdout
    judged = cxrshort_here(*EVALUATE)
    assert judged.stderr == (
        "scored 12 images of tiny with run\n"
        "note: no generalization gap: tiny/small-cnn/erm, epochs=1 was tested on its own dataset alone; "
        "--dataset NAME of another hospital gives the outside\n"
    )
    assert "scored" not in judged.stdout


@pytest.mark.parametrize("verb", ["build-dataset", "train", "evaluate"])
def test_quiet_and_verbose_exclude_each_other(working_folder: Path, verb: str) -> None:
    words = {"build-dataset": ("--dataset", "phantom-I"), "train": TRAIN[1:], "evaluate": EVALUATE[1:]}[verb]
    expected = (2, "--quiet and --verbose exclude each other", "give one of them")
    assert failure(cxrshort_here(verb, *words, "--quiet", "--verbose")) == expected


def test_folder_far_above_the_models_is_answered_with_the_one_right_above(working_folder: Path) -> None:
    for number in range(5):
        assert cxrshort_here(*TRAIN, "--quiet", "--out", f"runs/tiny/small-cnn/erm/r-{number}").exit_code == 0
    Path("runs/tiny/small-cnn/erm/r-0/member-0").mkdir()
    Path("runs/tiny/small-cnn/erm/r-0/member-0/model.safetensors").touch()
    first = "', '".join(f"runs/tiny/small-cnn/erm/r-{number}" for number in range(3))
    hint = "name them, or the folder right above: cxrshort evaluate runs/tiny/small-cnn/erm ..."
    expected = (66, f"'runs/tiny' holds no model; 5 lie deeper: '{first}', ...", hint)
    assert failure(cxrshort_here("evaluate", "runs/tiny", "--dataset", "tiny", *CPU)) == expected


def test_quiet_leaves_stderr_empty(working_folder: Path) -> None:
    for command in (TRAIN, EVALUATE):
        result = cxrshort_here(*command, "--quiet")
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout


@pytest.mark.parametrize("command", [TRAIN, (*TRAIN, "--dry-run"), EVALUATE, (*EVALUATE, "--dry-run")])
def test_json_is_one_document_on_stdout(trained: Path, command: tuple[object, ...]) -> None:
    result = cxrshort_here(*command, "--json", "--force")
    assert result.exit_code == 0, result.stderr
    assert isinstance(strict_json(result.stdout), dict)


def test_json_of_build_dataset_is_one_document(working_folder: Path) -> None:
    arguments = ("build-dataset", "--dataset", "phantom-I", "--images", 20, "--size", 32, "--jobs", 1, "--json")
    result = cxrshort_here(*arguments)
    assert result.exit_code == 0, result.stderr
    assert strict_json(result.stdout)["rows"] == 20
    assert strict_json(cxrshort_here(*arguments, "--dry-run").stdout)["candidates"] == 20


def strict_json(text: str) -> dict[str, object]:
    """Read JSON as other languages do: NaN and Infinity are none."""

    def refuse(constant: str) -> None:
        raise ValueError(f"{constant} is no JSON")

    return dict(json.loads(text, parse_constant=refuse))


def test_resuming_a_complete_run_exits_with_0_and_prints_the_same(trained: Path) -> None:
    before = Path("run/model.safetensors").stat().st_mtime_ns
    first = cxrshort_here(*TRAIN, "--resume", "--json")
    assert first.exit_code == 0, first.stderr
    assert strict_json(first.stdout)["model"] == "run/model.safetensors"
    assert Path("run/model.safetensors").stat().st_mtime_ns == before


def test_resuming_a_complete_build_exits_with_0(working_folder: Path) -> None:
    arguments = ("build-dataset", "--dataset", "phantom-I", "--images", 20, "--size", 32, "--jobs", 1)
    assert cxrshort_here(*arguments).exit_code == 0
    assert cxrshort_here(*arguments, "--resume").exit_code == 0


def test_manifest_comes_from_standard_input(trained: Path) -> None:
    rows = (trained / "manifest.csv").read_text()
    read, write = os.pipe()
    with start("evaluate", "run", "--dataset", "-", "--json", *CPU, cwd=Path.cwd(), stdin=read) as process:
        os.close(read)
        os.write(write, rows.encode())  # less than the 64 KiB that a pipe holds
        os.close(write)
        stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    means = strict_json(stdout)["means"]
    assert isinstance(means, list)
    assert (means[0]["dataset"], means[0]["role"]) == ("tiny", "internal")


def test_closed_pipe_is_no_error(working_folder: Path) -> None:
    command = " ".join([*COMMAND, "build-dataset --dataset phantom-I --images 20 --size 32 --jobs 1 --quiet"])
    for reader in ("head -n 1", "true"):
        script = f"set -o pipefail; {command} --force | {reader}; echo ${{PIPESTATUS[0]}} >&2"
        result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment(), check=False)
        assert result.stderr == "0\n"


def test_debug_shows_the_traceback(working_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXRSHORT_DEBUG", "")  # put back afterwards, since --debug sets it
    plain = cxrshort_here(*TRAIN, "--arch", "vit")
    shown = cxrshort_here("--debug", *TRAIN, "--arch", "vit")
    assert "Traceback" not in plain.stderr
    assert "Traceback" in shown.stderr
    assert shown.stderr.endswith(plain.stderr)
    assert shown.exit_code == plain.exit_code == UsageError.exit_code


def test_unexpected_error_exits_with_1_and_says_how_to_see_more(
    working_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(factory, "build_model", fail)
    code, message, hint = failure(cxrshort_here(*TRAIN))
    assert (code, message) == (1, "unexpected ZeroDivisionError: division by zero")
    assert hint == "cxrshort --debug ... shows where"


@pytest.mark.parametrize(
    ("options", "value"),
    [("--seed", 2**64), ("--seed", 2**63), ("--threads", 2**64), ("--replicates", 999_999_999_999)],
)
def test_numbers_beyond_any_use_are_refused_at_once(options: str, value: int) -> None:
    result = cxrshort_here("train", "--dataset", "x", "--arch", "resnet18", options, str(value))
    code, message, _ = failure(result)
    assert (code, message.partition(" at most ")[0]) == (2, f"{options} is '{value}', it must be")


@pytest.mark.parametrize("option", ["--root", "--masks", "--table"])
def test_name_longer_than_the_file_system_allows_is_wrong_usage(option: str) -> None:
    result = cxrshort_here("build-dataset", "--dataset", "folder", "--root", ".", option, "x" * 5000)
    code, message, hint = failure(result)
    assert (code, hint) == (2, "give a shorter one")
    assert message.startswith("'xxx") and message.endswith("x' is longer than a file name may be")
    assert len(message) < 400
