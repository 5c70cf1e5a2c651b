"""One voice for several processes under torchrun."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from cxrshort.cli.processes import quiet_unless
from cxrshort.errors import DataError, MissingInputError, WorkFailedError

from .console import environment


@pytest.mark.parametrize("kind", [DataError, MissingInputError])
def test_error_that_all_processes_find_is_left_to_the_first(kind) -> None:
    with pytest.raises(kind), quiet_unless(True):
        raise kind("'a' is wrong", "make it right")
    with pytest.raises(typer.Exit) as caught, quiet_unless(False):
        raise kind("'a' is wrong", "make it right")
    assert caught.value.exit_code == kind.exit_code


def test_process_whose_own_work_fails_says_so_itself() -> None:
    with pytest.raises(WorkFailedError, match="out of memory"), quiet_unless(False):
        raise WorkFailedError("out of memory")


def test_only_the_first_process_of_torchrun_says_what_is_wrong(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "cxrshort", "train", "--dataset", "nope", "--arch", "small-cnn"]
    for rank, lines in (("0", 2), ("1", 0)):
        variables = {**environment(), "RANK": rank, "WORLD_SIZE": "2"}
        completed = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)
        assert (completed.returncode, len(completed.stderr.splitlines())) == (66, lines), os.linesep.join(
            [completed.stderr]
        )
