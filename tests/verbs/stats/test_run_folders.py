"""Run folders as evidence: found at any depth, refused where they were changed, counted where they are unfinished."""

import json
import struct
from pathlib import Path

import pytest
from safetensors.numpy import save_file

from cxrshort import runs
from cxrshort.errors import DataError, MissingInputError
from cxrshort.files import sha256
from cxrshort.models.checkpoint import read_description
from cxrshort.models.factory import load_model
from cxrshort.verbs.stats.run_folders import collect_runs, read_model_header, read_text_table

from .studies import EVALUATION, INSIDE, MODEL, write_run


def test_runs_are_found_at_any_depth_once_each(study: Path) -> None:
    folders = collect_runs([study, study / "runs", study / EVALUATION / "predictions.csv"])
    verbs = [run.verb for run in folders.runs]
    assert sorted(verbs) == sorted(["build-dataset"] * 2 + ["train"] * 3 + ["evaluate", "explain", "swap-test"])
    assert (folders.tables, folders.unfinished, folders.notes) == ((), (), [])
    assert [run.folder.name for run in folders.of("train")] == ["replicate-0", "replicate-1"]  # without the series
    assert [run.is_series for run in folders.runs if run.verb == "train"] == [True, False, False]


def test_file_within_a_run_names_that_run_alone(study: Path) -> None:
    folders = collect_runs([study / MODEL / "model.safetensors"])
    assert [run.name for run in folders.runs] == [(study / MODEL).as_posix()]


def test_what_a_run_says_is_read_with_its_place(study: Path) -> None:
    (run,) = collect_runs([study / INSIDE]).runs
    assert run.summary["rows"] == len(run.read_table("manifest.csv")) == 160
    assert run.source("manifest.csv", "person_id") == f"{run.name}/manifest.csv: person_id"
    assert run.manifest_sha256 == sha256(study / INSIDE / "manifest.csv")
    assert run.read_table("nothing.csv").empty and not run.has("run.json")
    assert run.model_header == {}


def test_header_of_a_model_is_that_of_torch(study: Path) -> None:
    header = read_model_header(study / MODEL / "model.safetensors")
    description = read_description(study / MODEL / "model.safetensors")
    network, _ = load_model(study / MODEL / "model.safetensors")
    values = [*network.parameters(), *network.buffers()]
    assert (header["architecture"], tuple(header["labels"])) == (description.architecture, description.labels)
    stored = sum(value.numel() for value in network.state_dict().values())
    assert header["parameters"] == stored <= sum(value.numel() for value in values)


def test_model_of_others_has_weights_and_no_description(tmp_path: Path) -> None:
    import numpy as np

    save_file({"a": np.zeros((2, 3), np.float32), "b": np.zeros((), np.float32)}, tmp_path / "m.safetensors")
    assert read_model_header(tmp_path / "m.safetensors") == {"parameters": 7}


@pytest.mark.parametrize(
    "content",
    [b"", b"abc", struct.pack("<Q", 2**40) + b"{}", struct.pack("<Q", 2) + b"[]", struct.pack("<Q", 9) + b"{}"],
)
def test_what_is_no_model_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "m").write_bytes(content)
    with pytest.raises(DataError, match="is not a model file"):
        read_model_header(tmp_path / "m")


def test_missing_model_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="cannot be read: no such file"):
        read_model_header(tmp_path / "m")


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
