"""Run folders: whole or not at all, and never somebody else's files."""

import json
import os
import platform
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cxrshort import runs
from cxrshort.errors import DataError, OutputError, UsageError
from cxrshort.files import write_text
from cxrshort.json_files import read_json

from .nobody import powerless_folder


def finished(folder, *names, verb="train", force=False):
    run = runs.start_run(folder, verb, arguments={}, force=force)
    for name in names:
        write_text(run.path(name), "text")
    run.finish()
    return run


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def python(code, *arguments):
    """Run code in a process of its own."""
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, text=True)


def test_finish_records_how_the_run_was_made(tmp_path):
    (tmp_path / "input.csv").write_text("abc")
    folder = tmp_path / "a" / "b"
    arguments = {"out": Path("x"), "sizes": (1, 2)}
    inputs = {"manifest": tmp_path / "input.csv", "absent": tmp_path / "absent"}
    run = runs.start_run(folder, "train", arguments=arguments, inputs=inputs)
    begun = json.loads((folder / "unfinished.json").read_text())
    assert (begun["verb"], begun["arguments"], begun["outputs"]) == ("train", {"out": "x", "sizes": [1, 2]}, [])
    write_text(run.path("model.txt"), "text")
    write_text(run.path(".state"), "text")
    run.path("never-written.png")
    run.log({"event": "step", "loss": float("nan")})
    run.finish({"summary": {"auc": float("inf")}})
    record = json.loads((folder / "run.json").read_text())
    assert record["state"] == "done" and record["verb"] == "train" and record["summary"] == {"auc": None}
    assert record["arguments"] == {"out": "x", "sizes": [1, 2]}
    # SHA-256 of "abc": FIPS 180-2, appendix B.1
    assert record["inputs"] == {"manifest": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}
    assert record["outputs"] == ["log.jsonl", "model.txt"]
    assert record["started"] <= record["ended"] and record["versions"]["cxrshort"] and record["machine"]["cpus"]
    assert (folder / "log.jsonl").read_text() == '{"event": "step", "loss": null}\n'
    assert not (folder / "unfinished.json").exists()


def test_start_refuses_a_finished_run(tmp_path):
    finished(tmp_path / "run")
    for resume in (False, True):
        with pytest.raises(OutputError) as caught:
            runs.start_run(tmp_path / "run", "train", arguments={}, resume=resume)
        assert caught.value.message == f"'{tmp_path / 'run'}' exists already"
        assert caught.value.hint == "--force overwrites it, --out writes elsewhere"


def test_start_refuses_an_unfinished_run_and_resumes_it(tmp_path):
    first = runs.start_run(tmp_path, "train", arguments={"seed": 1})
    write_text(first.path("half.txt"), "text")
    with pytest.raises(OutputError) as caught:
        runs.start_run(tmp_path, "train", arguments={})
    assert caught.value.message == f"'{tmp_path}' holds an unfinished run"
    assert caught.value.hint == "--resume continues it, --force starts over"
    resumed = runs.start_run(tmp_path, "train", arguments={}, resume=True)
    resumed.finish()
    assert json.loads((tmp_path / "run.json").read_text())["outputs"] == ["half.txt"]


def test_start_refuses_force_with_resume(tmp_path):
    with pytest.raises(UsageError) as caught:
        runs.start_run(tmp_path, "train", arguments={}, force=True, resume=True)
    assert caught.value.message == "--force starts over and --resume continues"
    assert caught.value.hint == "give one of them"


def test_start_begins_anew_where_a_verb_that_cannot_resume_failed(tmp_path):
    runs.start_run(tmp_path, "evaluate", arguments={}, resume=None).path("half.csv").write_text("1")
    runs.start_run(tmp_path, "evaluate", arguments={}, resume=None)
    assert not (tmp_path / "half.csv").exists()


def test_start_refuses_to_resume_another_verb(tmp_path):
    runs.start_run(tmp_path, "build-dataset", arguments={})
    with pytest.raises(OutputError) as caught:
        runs.start_run(tmp_path, "train", arguments={}, resume=True)
    assert caught.value.message == f"'{tmp_path}' holds an unfinished run of 'build-dataset'"


@pytest.mark.parametrize(("force", "resume"), [(False, False), (True, False), (False, True)])
def test_start_refuses_a_folder_of_something_else(tmp_path, force, resume):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(OutputError) as caught:
        runs.start_run(tmp_path, "train", arguments={}, force=force, resume=resume)
    assert caught.value.message == f"'{tmp_path}' holds files that are not a run of cxrshort, such as 'thesis.tex'"
    assert names_in(tmp_path) == ["thesis.tex"]


def test_start_refuses_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as caught:
        runs.start_run(tmp_path / "file", "train", arguments={})
    assert caught.value.message == f"'{tmp_path / 'file'}' is a file, not a folder"


def test_start_refuses_a_folder_below_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as caught:
        runs.start_run(tmp_path / "file" / "run", "train", arguments={})
    assert caught.value.message == f"'{tmp_path / 'file' / 'run'}' cannot be written: not a directory"
    assert caught.value.hint == "free the space or choose another --out"


def test_start_refuses_a_link_to_nowhere(tmp_path):
    (tmp_path / "run").symlink_to(tmp_path / "gone")
    with pytest.raises(OutputError) as caught:
        runs.start_run(tmp_path / "run", "train", arguments={})
    assert caught.value.message == f"'{tmp_path / 'run'}' cannot be written: file exists"


def test_start_refuses_a_read_only_folder():
    with powerless_folder() as folder:
        folder.chmod(0o555)
        with pytest.raises(OutputError) as caught:
            runs.start_run(folder / "run", "train", arguments={})
        folder.chmod(0o755)
    assert caught.value.message == f"'{folder / 'run'}' cannot be written: permission denied"


def test_start_takes_an_empty_folder_and_one_that_a_kill_left_behind(tmp_path):
    (tmp_path / ".unfinished.json.123.tmp").touch()
    finished(tmp_path, "a.txt")
    assert names_in(tmp_path) == ["a.txt", "run.json"]


def test_force_removes_what_a_run_wrote_and_nothing_else(tmp_path):
    run = runs.start_run(tmp_path, "train", arguments={})
    write_text(run.path("old.txt"), "text")
    run.path("figures").mkdir()
    (run.path("figures") / "a.png").touch()
    run.path("linked").symlink_to(tmp_path.parent)
    (tmp_path / "dropped-in-meanwhile.txt").touch()
    run.finish()
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".git").mkdir()
    foreign = [".git", "dropped-in-meanwhile.txt", "notes.txt"]
    for _ in range(2):  # foreign files must not become outputs of the run that found them
        finished(tmp_path, "new.txt", force=True)
        assert names_in(tmp_path) == sorted([*foreign, "new.txt", "run.json"])
    assert tmp_path.parent.is_dir()


def test_force_removes_what_an_unfinished_run_wrote(tmp_path):
    run = runs.start_run(tmp_path, "train", arguments={})
    write_text(run.path("half.txt"), "text")
    write_text(run.path(".state.pt"), "text")
    run.log({"epoch": 1})
    (tmp_path / "notes.txt").touch()
    (tmp_path / ".half.txt.99.tmp").touch()
    runs.start_run(tmp_path, "train", arguments={}, force=True)
    assert names_in(tmp_path) == ["notes.txt", "unfinished.json"]


@pytest.mark.parametrize("outputs", [["..", ".", "", "/", "../neighbour"], "all", [["x"], 1], None])
def test_force_stays_in_the_folder_whatever_run_json_says(tmp_path, outputs):
    folder, neighbour = tmp_path / "run", tmp_path / "neighbour"
    folder.mkdir()
    neighbour.touch()
    (folder / "mine.txt").touch()
    (folder / "run.json").write_text(json.dumps({"verb": "train", "state": "done", "outputs": outputs}))
    finished(folder, force=True)
    assert names_in(tmp_path) == ["neighbour", "run"] and names_in(folder) == ["mine.txt", "run.json"]


def test_force_begins_anew_where_run_json_is_damaged(tmp_path):
    (tmp_path / "run.json").write_text("{")
    finished(tmp_path, force=True)
    assert json.loads((tmp_path / "run.json").read_text())["state"] == "done"


@pytest.mark.parametrize("state", ["done", "unfinished"])
def test_force_replaces_runs_of_the_same_verb_only(tmp_path, state):
    run = runs.start_run(tmp_path, "train", arguments={})
    write_text(run.path("model.safetensors"), "weights")
    if state == "done":
        run.finish()
    before = names_in(tmp_path)
    with pytest.raises(OutputError) as caught:
        runs.start_run(tmp_path, "evaluate", arguments={}, force=True, resume=None)
    assert caught.value.message == f"'{tmp_path}' holds a run of 'train', and --force replaces runs of 'evaluate' only"
    assert names_in(tmp_path) == before


@pytest.mark.parametrize("out", ["data", "data/results", "."])
def test_opened_refuses_to_write_over_an_input(tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    finished(Path("data"), "manifest.csv")
    inputs = {"manifest": Path("data/manifest.csv")}
    before = sorted(tmp_path.rglob("*"))
    for force in (False, True):
        with (
            pytest.raises(OutputError, match=r"^--out '.*' (holds|lies in) an input, 'data"),
            runs.open_run(Path(out), "train", arguments={}, inputs=inputs, force=force),
        ):
            pass
    assert sorted(tmp_path.rglob("*")) == before


def test_result_stays_until_the_one_that_replaces_it_is_complete(tmp_path):
    def write(word, *names):
        with runs.open_run(tmp_path, "evaluate", arguments={}, force=True, resume=None) as run:
            for name in names:
                write_text(run.path(name), word)
            if word == "failed":
                raise KeyError
            run.finish()

    (tmp_path / "notes.txt").touch()
    (tmp_path / "run.json").write_text('{"verb": "evaluate", "outputs": []}')
    write("old", "aucs.csv", "roc.png")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(KeyError):
        write("failed", "aucs.csv", "gaps.csv")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    write("new", "aucs.csv", "gaps.csv")
    assert names_in(tmp_path) == ["aucs.csv", "gaps.csv", "notes.txt", "run.json"]
    assert {(tmp_path / name).read_text() for name in ("aucs.csv", "gaps.csv")} == {"new"}
    assert json.loads((tmp_path / "run.json").read_text())["outputs"] == ["aucs.csv", "gaps.csv"]


def test_result_stays_where_a_kill_ends_the_one_that_replaces_it(tmp_path):
    first = runs.start_run(tmp_path, "evaluate", arguments={}, resume=None)
    write_text(first.path("aucs.csv"), "old")
    first.finish()
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom cxrshort import files, runs\n"
        "with runs.open_run(Path(sys.argv[1]), 'evaluate', arguments={}, force=True, resume=None) as run:\n"
        "    files.write_text(run.path('aucs.csv'), 'new')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    process = python(code, tmp_path)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert (tmp_path / "aucs.csv").read_text() == "old" and (tmp_path / "run.json").exists()
    assert not (tmp_path / "unfinished.json").exists()
    with runs.open_run(tmp_path, "evaluate", arguments={}, force=True, resume=None) as run:
        write_text(run.path("aucs.csv"), "newer")
        run.finish()
    assert names_in(tmp_path) == ["aucs.csv", "run.json"]


def test_replacement_that_is_cut_short_is_an_unfinished_run_that_knows_its_files(tmp_path, monkeypatch):
    finished(tmp_path, "aucs.csv", "roc.png", verb="evaluate")
    run = runs.start_run(tmp_path, "evaluate", arguments={}, force=True, resume=None)
    for name in ("aucs.csv", "gaps.csv"):
        write_text(run.path(name), "new")
    monkeypatch.setattr(Path, "rmdir", lambda path: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        run.finish()
    monkeypatch.undo()
    assert not (tmp_path / "run.json").exists()
    outputs = json.loads((tmp_path / "unfinished.json").read_text())["outputs"]
    assert outputs == ["aucs.csv", "gaps.csv", "roc.png"]


def test_opened_yields_the_run_that_it_started_and_locks_the_folder(tmp_path):
    folder = tmp_path / "run"
    with runs.open_run(folder, "train", arguments={"seed": 1}) as run:
        assert not run.read_only and names_in(folder) == [".lock", "unfinished.json"]
        run.finish()
    assert names_in(folder) == ["run.json"]
    assert json.loads((folder / "run.json").read_text())["arguments"] == {"seed": 1}


@pytest.mark.parametrize(("force", "resume"), [(False, False), (True, False), (False, True), (False, None)])
def test_opened_refuses_a_folder_that_another_process_writes(tmp_path, force, resume):
    code = (
        "import sys\nfrom pathlib import Path\nfrom cxrshort import runs\n"
        "with runs.open_run(Path(sys.argv[1]), 'train', arguments={}):\n"
        "    print('begun', flush=True)\n    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "begun\n"
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with (
        pytest.raises(OutputError) as caught,
        runs.open_run(tmp_path, "train", arguments={}, force=force, resume=resume),
    ):
        pass
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    process.kill()
    process.communicate()
    holder = f"process {process.pid} on {platform.node()}"
    assert caught.value.message == f"'{tmp_path}' is being written by {holder}"
    assert caught.value.hint == "wait until it ends, or choose another --out"
    # The killed process left its lock file behind, which locks nothing.
    with runs.open_run(tmp_path, "train", arguments={}, resume=True) as run:
        run.finish()
    assert names_in(tmp_path) == ["run.json"]


def test_opened_takes_a_folder_where_a_kill_left_the_lock_alone(tmp_path):
    (tmp_path / ".lock").touch()
    with runs.open_run(tmp_path, "train", arguments={}) as run:
        run.finish()
    assert names_in(tmp_path) == ["run.json"]


def test_opened_leaves_a_folder_of_something_else_as_it_is(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with (
        pytest.raises(OutputError, match="files that are not a run"),
        runs.open_run(tmp_path, "train", arguments={}, force=True),
    ):
        pass
    assert names_in(tmp_path) == ["thesis.tex"]


def test_opened_keeps_what_an_interrupted_block_has_begun(tmp_path):
    with pytest.raises(KeyError), runs.open_run(tmp_path, "train", arguments={}) as run:
        write_text(run.path("half.txt"), "text")
        raise KeyError
    assert names_in(tmp_path) == ["half.txt", "unfinished.json"]


def test_read_only_run_writes_nothing(tmp_path):
    runs.start_run(tmp_path, "train", arguments={})
    before = (tmp_path / "unfinished.json").read_bytes()
    seen = runs.Run(tmp_path, "train", {}, read_only=True)
    assert seen.path("model.txt") == tmp_path / "model.txt"
    seen.log({"event": "step"})
    seen.finish()
    assert names_in(tmp_path) == ["unfinished.json"] and (tmp_path / "unfinished.json").read_bytes() == before


def test_records_that_are_pipes_are_refused_or_begun_anew(tmp_path):
    os.mkfifo(tmp_path / "unfinished.json")
    with pytest.raises(DataError, match="is not a file"):
        read_json(tmp_path / "unfinished.json")
    finished(tmp_path, "model", force=True)
    assert names_in(tmp_path) == ["model", "run.json"]


@pytest.mark.parametrize("field", ["arguments", "summary"])
def test_complete_run_with_a_field_of_another_type_is_refused(tmp_path, field):
    (tmp_path / "run.json").write_text(json.dumps({"arguments": {}, "summary": {}, field: [3]}))
    with pytest.raises(DataError, match=f"field '{field}' is '\\[3\\]', it must be an object"):
        runs.finished_summary(tmp_path, arguments={})


def test_complete_run_of_many_other_arguments_is_refused_in_a_readable_sentence(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"arguments": dict.fromkeys("abcdefghij", 1)}))
    with pytest.raises(UsageError, match="f was '1' and is '2', and 4 more$"):
        runs.finished_summary(tmp_path, arguments=dict.fromkeys("abcdefghij", 2))


def test_summary_that_was_changed_since_is_refused(tmp_path):
    run = runs.start_run(tmp_path, "train", arguments={"a": 1})
    run.finish({"summary": {1: {"rate": float("nan")}, "history": [{"learning_rate": 0.1}]}})
    complete = runs.finished_summary(tmp_path, arguments={"a": 1})
    assert complete == {"1": {"rate": None}, "history": [{"learning_rate": 0.1}]}
    record = tmp_path / "run.json"
    record.write_text(record.read_text().replace("learning_rate", "learning_rbte"))
    with pytest.raises(DataError) as caught:
        runs.finished_summary(tmp_path, arguments={"a": 1})
    assert (caught.value.message, caught.value.hint) == (
        f"'{record}' was changed since it was written",
        "--force starts over",
    )
