"""Run folders as evidence: found at any depth, refused where they were changed, counted where they are unfinished."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cxrshort import runs
from cxrshort.errors import DataError, MissingInputError
from cxrshort.files import sha256
from cxrshort.verbs.stats.model_headers import read_tensor_sizes
from cxrshort.verbs.stats.run_folders import collect_runs, find_runs, read_text_table

from .finished_runs import finished
from .studies import EVALUATION, INSIDE, MODEL, write_run


def test_runs_are_found_at_any_depth_once_each(study: Path) -> None:
    folders = collect_runs([study, study / "runs", study / EVALUATION / "predictions.csv"])
    verbs = [run.verb for run in folders.runs]
    assert sorted(verbs) == sorted(["build-dataset"] * 2 + ["train"] * 3 + ["evaluate", "explain", "swap-test"])
    assert (folders.tables, folders.unfinished, folders.notes) == ((), (), [])
    assert [run.folder.name for run in folders.of("train")] == ["replicate-0", "replicate-1"]  # without the series
    assert [run.is_series for run in folders.runs if run.verb == "train"] == [True, False, False]


def test_model_names_its_manifest_and_counts_its_weights(study: Path) -> None:
    data, model = collect_runs([study / INSIDE]).runs[0], collect_runs([study / MODEL]).runs[0]
    assert model.inputs["manifest"] == data.manifest_sha256
    assert model.weights == sum(read_tensor_sizes(study / MODEL / "model.safetensors").values()) > 0


def test_file_within_a_run_names_that_run_alone(study: Path) -> None:
    folders = collect_runs([study / MODEL / "model.safetensors"])
    assert [run.name for run in folders.runs] == [(study / MODEL).as_posix()]


def test_what_a_run_says_is_read_with_its_place(study: Path) -> None:
    (run,) = collect_runs([study / INSIDE]).runs
    assert run.summary["rows"] == len(run.read_table("manifest.csv")) == 160
    assert run.source("manifest.csv", "person_id") == f"{run.name}/manifest.csv: person_id"
    assert run.manifest_sha256 == sha256(study / INSIDE / "manifest.csv")
    assert run.read_table("nothing.csv").empty and not run.has("run.json")
    assert run.weights == 0
    assert (run.dataset_name, replace(run, record={}).dataset_name) == ("phantom-I", "phantom-I")


def test_summary_that_was_changed_proves_nothing(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "stats auc", summary={"aucs": [0.8]})
    record = json.loads((folder / runs.DONE).read_text())
    record["summary"]["aucs"] = [0.9]
    (folder / runs.DONE).write_text(json.dumps(record))
    with pytest.raises(DataError, match="was changed since it was written"):
        collect_runs([tmp_path])


def test_unfinished_runs_are_counted_and_left_out(tmp_path: Path) -> None:
    write_run(tmp_path / "done", "stats auc")
    for name in "abcd":
        (tmp_path / name).mkdir()
        (tmp_path / name / runs.UNFINISHED).write_text("{}")
    folders = collect_runs([tmp_path])
    assert [run.folder.name for run in folders.runs] == ["done"]
    assert folders.notes[0].startswith("4 unfinished runs are left out, and prove nothing: ")
    assert folders.notes[0].endswith(", ...")


def test_hidden_folders_are_not_searched(tmp_path: Path) -> None:
    write_run(tmp_path / "a", "stats auc")
    write_run(tmp_path / ".b", "stats auc")
    assert len(collect_runs([tmp_path]).runs) == 1


def test_tables_of_others_are_kept_apart(tmp_path: Path) -> None:
    table = tmp_path / "published.csv"
    table.write_text("metric,value\nauc,0.9\n")
    assert collect_runs([table, table]).tables == (table,)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("nowhere", MissingInputError, "does not exist"),
        ("empty", DataError, "no complete run lies in or below"),
        ("notes.txt", DataError, "is neither a run folder nor a table"),
    ],
)
def test_nothing_to_read_is_one_sentence(tmp_path: Path, name: str, error: type, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(error, match=message) as caught:
        collect_runs([tmp_path / name])
    assert caught.value.hint == "give run folders, folders of runs, or tables"


def test_table_without_rows_keeps_its_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n")
    assert list(read_text_table(tmp_path / "t.csv").columns) == ["a", "b"]


def test_history_holds_runs_at_any_depth_in_the_order_of_time(tmp_path: Path) -> None:
    finished(tmp_path / "b" / "deep", "explain", day=1)
    finished(tmp_path / "a", "train", day=2)
    finished(tmp_path / "c", "evaluate", day=0)
    finished(tmp_path / "c" / "inner", "evaluate", day=3)
    finished(tmp_path / ".d", "evaluate", day=4)
    runs, notes = find_runs([tmp_path, tmp_path / "a"])
    assert [run.name for run in runs] == ["c", "b/deep", "a", "c/inner", ".d"]
    assert [run.seconds for run in runs] == [600.0] * 5
    assert notes == []


def test_history_leaves_out_other_programs_and_unfinished_runs(tmp_path: Path) -> None:
    finished(tmp_path / "good", "train")
    finished(tmp_path / "unfinished", "train", state="running")
    finished(tmp_path / "timeless", "train", started="yesterday")
    for name, content in (("foreign", {"hello": 1}), ("list", [1, 2])):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(json.dumps(content))
    runs, notes = find_runs([tmp_path])
    assert [run.name for run in runs] == ["good"]
    assert len(notes) == 1 and notes[0].startswith("1 run.json cannot be read, such as: ")


def test_history_counts_a_run_whose_summary_was_changed(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", "evaluate", summary={"label": "Edema"})
    record = json.loads((folder / runs.DONE).read_text())
    record["summary"]["label"] = "Mass"
    (folder / runs.DONE).write_text(json.dumps(record))
    (run,), notes = find_runs([tmp_path])
    assert (run.summary, notes) == ({"label": "Mass"}, [])


def test_history_of_the_run_folder_itself(tmp_path: Path) -> None:
    (run,), _ = find_runs([finished(tmp_path / "only", "train")])
    assert run.name == "only"


def test_history_without_a_run_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no finished run below"):
        find_runs([tmp_path])
    with pytest.raises(MissingInputError, match="does not exist"):
        find_runs([tmp_path / "nowhere"])


@pytest.mark.parametrize("started", [{}, {"started": "yesterday"}, {"started": "2026-03-01T10:00:00"}])
def test_run_without_a_time_says_so(tmp_path: Path, started: dict[str, str]) -> None:
    (run,) = collect_runs([write_run(tmp_path / "run", "train")]).runs
    assert run.is_dated and run.seconds >= 0
    undated = replace(run, record={"ended": run.record["ended"], **started})
    assert not undated.is_dated
    with pytest.raises(DataError, match=f"field 'started' is '{started.get('started')}', it must be a time"):
        undated.seconds  # noqa: B018 - a property that raises
