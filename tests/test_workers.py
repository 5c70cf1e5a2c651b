"""Worker processes end with the process that started them."""

import os
import signal
import subprocess
from pathlib import Path

from cxrshort.workers import tethered

from .cli.console import start_anew


def test_workers_of_a_killed_build_end_with_it(tmp_path: Path) -> None:
    command = ["build-dataset", "--dataset", "phantom-I", "--images", 2000, "--size", 64, "--jobs", 2, "--out", "out"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "start_new_session": True}
    journal = tmp_path / "out" / ".journal.jsonl"
    with start_anew(*command, cwd=tmp_path, **pipes) as process:
        try:
            while not (journal.exists() and journal.read_text().count("\n") >= 3):
                assert process.poll() is None
            process.kill()
            # The pipe ends when the last process that inherited it has; joblib's own limit is 300 s.
            process.communicate(timeout=20)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


def test_tethered_function_is_called_as_it_is_in_this_process() -> None:
    assert tethered(divmod)(7, 4) == (1, 3)
    assert tethered(int)("11", base=2) == 3
