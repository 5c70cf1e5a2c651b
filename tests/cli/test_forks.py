"""A forked command is the command that a shell starts: code, streams, folder, variables, and how a signal ends it."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from .console import run, start, start_anew
from .forks import Fork

BUILD = ("build-dataset", "--dataset", "phantom-I", "--images", 3000, "--size", 64, "--jobs", 1, "--out", "out")


@pytest.mark.parametrize(
    "words", [("paths",), ("paths", "--json"), ("train", "--dataset", "nope", "--arch", "small-cnn")]
)
def test_fork_prints_and_ends_as_a_new_interpreter_does(tmp_path: Path, words: tuple[str, ...]) -> None:
    variables = {"CXRSHORT_DATA": str(tmp_path / "films")}
    forked = run(*words, cwd=tmp_path, variables=variables)
    with start_anew(*words, cwd=tmp_path, variables=variables) as process:
        expected = process.communicate()
    assert (forked.returncode, forked.stdout, forked.stderr) == (process.returncode, *expected)
    assert str(tmp_path / "films") in forked.stdout or forked.returncode == 66


def test_fork_is_killed_alone_and_leads_a_group_of_its_own(tmp_path: Path) -> None:
    with start(*BUILD, cwd=tmp_path, stdout=subprocess.DEVNULL, start_new_session=True) as process:
        assert os.getsid(process.pid) == process.pid != os.getsid(0)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        with pytest.raises(subprocess.TimeoutExpired):
            process.communicate(0.01)
        assert process.poll() is None
        process.kill()
    assert process.returncode == process.poll() == -signal.SIGKILL
    process.send_signal(signal.SIGTERM)  # as to any process that has ended: nothing happens
    assert run("--version", cwd=tmp_path).returncode == 0


def test_commands_are_forked_on_linux_and_started_anew_elsewhere(tmp_path: Path) -> None:
    with start("--version", cwd=tmp_path) as process:
        assert isinstance(process, Fork if os.uname().sysname == "Linux" else subprocess.Popen)
        process.communicate()
    assert process.returncode == 0
