"""Edits by two processes, as torchrun starts them, and after kill -9: the bytes of one unbroken process."""

import contextlib
import json
import signal
import time
from pathlib import Path

import pytest

from cxrshort.verbs.roentmod.edited_output import VERB, EditOutput

from ...cli.console import cxrshort_here, start
from ...training.test_distributed_steps import run_two
from .edited import contents, phantoms

OPTIONS = ["roentmod", "edit", "--dataset", "films", "--editor", "phantom", "--split", "all", "--name", "edits"]
OPTIONS += ["--device", "cpu", "--precision", "fp32", "--threads", "1", "--json"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with phantoms and what one process made of them."""
    home = tmp_path_factory.mktemp("edits")
    phantoms(home / "films", images=60, size=64)
    with contextlib.chdir(home):
        completed = cxrshort_here(*OPTIONS, "--out", "one")
    assert completed.exit_code == 0, completed.stderr
    (home / "one.json").write_text(completed.stdout)
    return home


def test_two_processes_write_the_bytes_of_one(home: Path) -> None:
    stdout, _ = run_two(*OPTIONS, "--out", "two", cwd=home)
    document = json.loads(stdout)  # one document, so one process has printed
    assert {**document, "folder": "one"} == json.loads((home / "one.json").read_text())
    assert contents(home / "two") == contents(home / "one")
    assert not (home / "two" / ".shards").exists()


def test_killed_edits_go_on_to_the_same_bytes(home: Path) -> None:
    journal = home / "killed" / ".journal.jsonl"
    with start(*OPTIONS, "--out", "killed", cwd=home) as process:
        while process.poll() is None and not (journal.exists() and journal.read_bytes().count(b"\n") > 1):
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert process.returncode == -signal.SIGKILL and not (home / "killed" / "run.json").exists()
    with contextlib.chdir(home):
        completed = cxrshort_here(*OPTIONS, "--out", "killed", "--resume")
    assert completed.exit_code == 0, completed.stderr
    assert contents(home / "killed") == contents(home / "one")


def test_preview_says_what_becomes_of_the_folder(home: Path, tmp_path: Path) -> None:
    def fate(folder: Path, **options: bool) -> str:
        chosen = {"merge": False, "force": False, "resume": False, **options}
        return EditOutput(folder, {}, {}, part=None, **chosen).preview()["fate"]

    assert fate(tmp_path / "new") == "new"
    assert (fate(home / "one"), fate(home / "one", force=True)) == ("refused", "replaced")
    assert fate(home / "one", resume=True) == "complete"
    assert EditOutput(tmp_path, {}, {}, part=None, merge=False, force=False, resume=False).rows(3) == range(3)
    assert VERB == "roentmod edit"
