"""``paths`` says what the other verbs will use."""

import json
from pathlib import Path

import pandas as pd
import pytest

from cxrshort import places
from cxrshort.dataset import Dataset
from cxrshort.training import recipes
from cxrshort.verbs import evaluate, train
from cxrshort.verbs.paths import paths

from ..cli.console import cxrshort_here


def test_paths_follow_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CXRSHORT_DATA", raising=False)
    monkeypatch.setenv("CXRSHORT_DATASETS", str(tmp_path / "built"))
    (tmp_path / "built" / "I").mkdir(parents=True)
    (tmp_path / "built" / "I" / "manifest.csv").touch()
    actual = paths().summary
    rows = {row["name"]: row for row in actual["places"]}
    assert list(rows) == ["datasets", "downloads", "runs", "results", "caches", "weights"]
    assert (rows["datasets"]["path"], rows["datasets"]["set_by"]) == (str(tmp_path / "built"), "$CXRSHORT_DATASETS")
    assert rows["datasets"]["exists"] and not rows["runs"]["exists"]
    assert (rows["downloads"]["path"], rows["downloads"]["set_by"]) == (str(tmp_path / "data"), "the current folder")
    assert actual["datasets"] == ["I"]
    shown = cxrshort_here("paths", "--json")
    assert json.loads(shown.stdout) == {"schema": "cxrshort.paths/1", **actual}
    text = cxrshort_here("paths").stdout
    assert f"datasets    {tmp_path / 'built'}" in text
    assert text.endswith("\ndatasets that are built: I\n")


def test_runs_and_results_are_where_the_verbs_write() -> None:
    run = train.default_folder("I", "resnet18", recipes.load_recipe("standard"), replicate=0, seed=0)
    data = Dataset("I", pd.DataFrame(), Path("I", "manifest.csv"))
    results = evaluate.default_folder([run], [data], split="test", label=None)
    assert (run.parts[0], results.parts[0]) == (str(places.RUNS), str(places.RESULTS))
