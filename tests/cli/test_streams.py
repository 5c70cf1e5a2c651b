"""Streams that are closed, full or not read, and signals: no work is lost, nothing ends with 0 without its output."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from cxrshort.datasets.building.assembly import JOURNAL

from ..training.tiny import tiny_dataset
from .console import COMMAND, environment, start

CPU = ("--device", "cpu", "--precision", "fp32", "--threads", "1")
TRAIN = ("train", "--dataset", "tiny", "--arch", "small-cnn", "--epochs", "3", "--out", "run", *CPU)


def shell(line: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run a line of bash; its exit code is that of cxrshort, whatever stands behind it in a pipe."""
    command = " ".join(COMMAND)
    text = f'set -o pipefail; cxrshort() {{ {command} "$@"; }}; {line}'
    return subprocess.run(["bash", "-c", text], cwd=cwd, env=environment(), capture_output=True, text=True)


@pytest.mark.parametrize("reader", ["closed pipe", "full disk"])
def test_progress_that_nobody_can_read_does_not_end_the_work(tmp_path: Path, reader: str) -> None:
    tiny_dataset(tmp_path / "tiny")
    if reader == "closed pipe":
        read, progress = os.pipe()
        os.close(read)
    else:
        progress = os.open("/dev/full", os.O_WRONLY)
    with start(*TRAIN, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=progress) as process:
        os.close(progress)
    assert process.returncode == 0
    assert (tmp_path / "run" / "model.safetensors").is_file()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "done"


@pytest.mark.parametrize("redirection", ["2>&-", ">&- 2>&-"])
def test_closed_streams_do_not_end_the_work(tmp_path: Path, redirection: str) -> None:
    tiny_dataset(tmp_path / "tiny")
    completed = shell(f"cxrshort {' '.join(TRAIN)} {redirection}", tmp_path)
    assert completed.returncode == (73 if ">&- " in redirection else 0), completed.stderr
    assert (tmp_path / "run" / "model.safetensors").is_file()
    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "done"


@pytest.mark.parametrize(
    ("redirection", "reason"), [(">/dev/full", "no space left on device"), (">&-", "bad file descriptor")]
)
def test_result_that_cannot_be_written_exits_with_73(tmp_path: Path, redirection: str, reason: str) -> None:
    completed = shell(f"cxrshort paths {redirection}", tmp_path)
    assert completed.returncode == 73
    assert completed.stderr.splitlines()[0] == f"error: standard output cannot be written: {reason}"


@pytest.mark.parametrize(
    ("arguments", "code"), [("--version", 73), ("train --help", 73), ("train --dataset nope --arch vit --json", 2)]
)
@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_what_is_printed_outside_a_command_says_so_too(
    tmp_path: Path, arguments: str, code: int, redirection: str
) -> None:
    completed = shell(f"cxrshort {arguments} {redirection}", tmp_path)
    assert completed.returncode == code
    assert "error: standard output cannot be written: " in completed.stderr and "Traceback" not in completed.stderr


def test_pipe_that_closes_early_is_no_error(tmp_path: Path) -> None:
    with start("train", "--set", "help", cwd=tmp_path) as process:
        first = process.stdout.readline()
        process.stdout.close()
        complaints = process.stderr.read()
    assert (process.returncode, first, complaints) == (0, "training\n", "")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda signal_: signal_.name)
def test_signal_in_a_build_is_told_and_resumable(tmp_path: Path, number: signal.Signals) -> None:
    build = ("build-dataset", "--dataset", "phantom-I", "--images", 3000, "--size", 64, "--jobs", 1, "--out", "out")
    with start(*build, cwd=tmp_path) as process:
        journal, end = tmp_path / "out" / JOURNAL, time.monotonic() + 60
        while not journal.exists() and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 75, stderr
    error, hint = stderr.splitlines()[-2:]
    assert error.startswith("error: interrupted, ") and error.endswith(" of 3000 images are made")
    assert hint == "hint: --resume continues from there"
