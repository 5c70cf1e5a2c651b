"""Studies for the tests: one made by the verbs themselves, and run folders in which a single fact is changed."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from cxrshort import runs
from cxrshort.manifest import write_table
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.evaluate import evaluate
from cxrshort.verbs.explain import explain
from cxrshort.verbs.stats.checklist.study import Study, load_study
from cxrshort.verbs.stats.run_folders import collect_runs
from cxrshort.verbs.swap_test import swap_test
from cxrshort.verbs.train import train

CPU = {"device": "cpu", "precision": "fp32", "threads": 1}
INSIDE, OUTSIDE = "datasets/phantom-I", "datasets/phantom-external"
MODEL, OTHER = "runs/erm/replicate-0", "runs/erm/replicate-1"
EVALUATION, EXPLANATION, SWAPS = "results/evaluation", "results/explanation", "results/swaps"


def make_study(home: Path) -> Path:
    """Make datasets of phantoms, two replicates, an evaluation inside and outside, and both audits."""
    for name, images in ((INSIDE, 160), (OUTSIDE, 100)):
        build_dataset(Path(name).name, out=home / name, size=32, number_of_images=images, replicates=2, jobs=1)
    train(str(home / INSIDE), arch="small-cnn", overrides={"epochs": 1}, replicates=2, out=home / "runs/erm", **CPU)
    inside, model = str(home / INSIDE), str(home / MODEL)
    evaluate([home / MODEL, home / OTHER], dataset=[inside, str(home / OUTSIDE)], out=home / EVALUATION, **CPU)
    explain(model, dataset=inside, images=12, references=2, out=home / EXPLANATION, **CPU)
    swap_test(model, dataset=inside, patches=30, pairs=4, out=home / SWAPS, **CPU)
    return home


def copy_of(study: Path, target: Path) -> Path:
    """Return a copy of a study whose files may be changed."""
    shutil.copytree(study, target, dirs_exist_ok=True)
    return target


def change_run(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change run.json of a folder as if the run had written it so."""
    record = json.loads((folder / runs.DONE).read_text())
    record.pop("summary_crc32", None)
    change(record)
    (folder / runs.DONE).write_text(json.dumps(record))


def change_table(folder: Path, name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Change a table of a run, every cell as text."""
    change(pd.read_csv(folder / name, dtype=str, keep_default_na=False)).to_csv(folder / name, index=False)


def write_run(
    folder: Path,
    verb: str,
    *,
    summary: Mapping[str, Any] | None = None,
    tables: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
    texts: Mapping[str, str] | None = None,
) -> Path:
    """Write the run folder of a verb, with tables given by their columns."""
    with runs.open_run(folder, verb, arguments=arguments or {}, resume=None) as run:
        for name, columns in (tables or {}).items():
            write_table(pd.DataFrame(columns), run.path(name))
        for name, text in (texts or {}).items():
            run.path(name).write_text(text)
        run.finish({"summary": dict(summary or {})})
    return folder


def load(*paths: Path, label: str | None = None) -> Study:
    """Return the study in folders and tables."""
    return load_study(collect_runs(paths), label=label)
