"""A whole stress test, of predictions and of models: verdicts, files, and bad input in one sentence."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cxrshort import runs
from cxrshort.dataset import Dataset, load_dataset
from cxrshort.datasets.building.edits import edited_rows, of_edits
from cxrshort.datasets.building.writing import DatasetSettings, write_dataset
from cxrshort.errors import CxrshortError
from cxrshort.results import Result
from cxrshort.verbs.roentmod.stress_test import stress_test
from cxrshort.verbs.train import train

from ...training.tiny import png_signature, tiny_dataset, tree
from .tables import NAMES, predictions

CPU = {"device": "cpu", "precision": "fp32", "threads": 1}
FILES = ["cells.csv", "controls.csv", "findings.csv", "matrix.png", "probabilities.png", "run.json", "summary.json"]


def judged(folder: Path, *, shortcut: float = 0.0, models: tuple[str, ...] = ("",), **options: object) -> Result:
    before, after, cohort = map(str, predictions(folder, shortcut=shortcut, models=models))
    chosen = {"before": before, "after": after, "reference": cohort, "expected": "targets", **options}
    return stress_test(**chosen)  # type: ignore[arg-type]


def accused(result: Result) -> list[tuple[str, str, str]]:
    rows = [row for row in result.summary["findings"] if row["verdict"] == "shortcut"]
    return [(row["model"], row["added"], row["predicted"]) for row in rows]


def test_planted_shortcut_is_found_in_its_model_alone(tmp_path: Path) -> None:
    result = judged(tmp_path, shortcut=1.2, models=("clean", "planted"))
    assert accused(result) == [("planted", "edema", "Hernia")]
    assert list(result.verdicts).count("shortcut") == 1 and len(result.verdicts) == 24
    assert (result.folder, result.figures) == (None, ())
    assert accused(judged(tmp_path, models=("clean", "also clean"))) == []


def test_table_of_readers_explains_what_comes_along(tmp_path: Path) -> None:
    table = tmp_path / "readers.csv"
    rows = [f"{name},{','.join('1' if name == other else '0' for other in NAMES)}" for name in NAMES]
    rows[1] = "Edema,0,1,0,0.9"
    table.write_text("\n".join([f"added,{','.join(NAMES)}", *rows]))
    # Hernia with every edema, as strong as an added one: the table says that it is there.
    assert accused(judged(tmp_path, shortcut=1.9, expected=str(table))) == []
    assert accused(judged(tmp_path, shortcut=1.9)) == [("after", "edema", "Hernia")]


def test_probabilities_give_the_verdicts_of_their_logits(tmp_path: Path) -> None:
    whole = judged(tmp_path, shortcut=1.2)
    for path in map(Path, predictions(tmp_path, shortcut=1.2)):
        table = pd.read_csv(path, keep_default_na=False)
        for name in NAMES:
            table[f"probability.{name}"] = 1 / (1 + np.exp(-table.pop(f"logit.{name}").astype(float)))
        table.to_csv(path, index=False, float_format="%.12f")
    result = stress_test(
        before=str(tmp_path / "before.csv"),
        after=str(tmp_path / "after.csv"),
        reference=str(tmp_path / "cohort.csv"),
        expected="targets",
    )
    assert [row["verdict"] for row in result.summary["findings"]] == [
        row["verdict"] for row in whole.summary["findings"]
    ]
    for own, logits in zip(result.summary["cells"], whole.summary["cells"], strict=True):
        assert own["change"] == pytest.approx(logits["change"], abs=1e-6)
        assert own["probability_after"] == pytest.approx(logits["probability_after"], abs=1e-6)
    assert [note for note in result.notes if "log-odds" in note] == [
        f"{name}.csv: probabilities of 4 findings are taken as their log-odds" for name in ("before", "after", "cohort")
    ]


def test_nothing_is_accused_where_nobody_has_counted_and_the_note_says_so(tmp_path: Path) -> None:
    result = judged(tmp_path, shortcut=1.9, expected=None)
    assert accused(result) == [] and result.verdicts[0] == "suspicious"
    assert result.notes[-1].startswith("nobody has counted what comes along") or any(
        note.startswith("nobody has counted what comes along") for note in result.notes
    )


def test_result_folder_is_complete_and_the_same_each_time(tmp_path: Path) -> None:
    result = judged(tmp_path, shortcut=1.2, out=tmp_path / "out")
    assert result.folder == tmp_path / "out" and sorted(tree(tmp_path / "out")) == FILES
    assert [path.name for path in result.figures] == ["matrix.png", "probabilities.png"]
    assert all(png_signature(path) for path in result.figures)
    document = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert document["schema"] == "cxrshort.stress-test/1" and document["cells"] == result.summary["cells"]
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert (record["verb"], record["state"]) == ("roentmod stress-test", "done")
    assert set(record["inputs"]) == {"before", "after", "reference"}
    cells = pd.read_csv(tmp_path / "out" / "cells.csv")
    assert len(cells) == 16 and cells.loc[cells["on_target"], "change"].min() > 20
    assert pd.read_csv(tmp_path / "out" / "controls.csv")["added"].unique().tolist() == ["sham"]
    judged(tmp_path, shortcut=1.2, out=tmp_path / "again")
    without = ["run.json"]
    assert tree(tmp_path / "again", without=without) == tree(tmp_path / "out", without=without)


def test_labels_are_chosen_and_dry_run_writes_nothing(tmp_path: Path) -> None:
    result = judged(tmp_path, labels=["Hernia", "Edema"], out=tmp_path / "out", dry_run=True)
    assert {row["predicted"] for row in result.summary["cells"]} == {"Hernia", "Edema"}
    assert not (tmp_path / "out").exists()


def brightened(data: Dataset, out: Path, *, labels: Sequence[str]) -> Path:
    """Write each image with its upper left brighter (what COVID-19 looks like here), and as it is, as a dataset."""
    count = len(data.manifest)

    def edit(sources: np.ndarray, rows: pd.DataFrame) -> list[np.ndarray]:
        pictures = []
        for pixels, name in zip(sources, rows["edit"], strict=True):
            picture = pixels.copy()
            if name == "covid-19":
                picture[: len(picture) // 2, : len(picture) // 2] += np.uint8(55)
            pictures.append(picture)
        return pictures

    rows = edited_rows(data.manifest, [*range(count), *range(count)], ["covid-19"] * count + ["sham"] * count)
    rows.loc[rows["edit"] == "covid-19", labels] = [1.0, 0.0]
    with runs.open_run(out, "edit", arguments={}) as run:
        write_dataset(run, *of_edits(data, rows, edit, settings="x"), settings=DatasetSettings("edits", data.recipe))
    return out


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with originals, their edits, and a model that sees COVID-19 in the upper left."""
    folder = tmp_path_factory.mktemp("stress")
    tiny_dataset(folder / "films", name="films", people=60, size=16, signal=55)
    data = load_dataset(str(folder / "films"))
    healthy = Dataset(
        data.name,
        data.manifest[data.manifest["COVID-19"] == 0].reset_index(drop=True),
        data.path,
        data.recipe,
        dataset_id=data.dataset_id,
    )
    brightened(healthy, folder / "edits", labels=["COVID-19", "Edema"])
    train(str(folder / "films"), arch="small-cnn", overrides={"epochs": 4}, out=folder / "model", **CPU)
    return folder


def of_models(home: Path, **options: object) -> Result:
    chosen = {"before": str(home / "films"), "after": str(home / "edits"), "expected": "targets", **CPU, **options}
    return stress_test([home / "model"], **chosen)  # type: ignore[arg-type]


def test_models_are_scored_on_their_test_fold_and_their_predictions_kept(home: Path, tmp_path: Path) -> None:
    result = of_models(home, out=tmp_path / "out")
    cells = {(row["added"], row["predicted"]): row for row in result.summary["cells"]}
    own = cells["covid-19", "COVID-19"]
    assert own["on_target"] and own["change"] > 20 and own["images"] == 15
    assert sorted(tree(tmp_path / "out")) == sorted([*FILES, "predictions.csv"])
    shams = {row["change"] for row in result.summary["controls"]}
    assert shams == {0.0}
    path = str(tmp_path / "out" / "predictions.csv")
    again = stress_test(before=path, after=path, expected="targets")
    assert again.summary["findings"] == result.summary["findings"]
    assert again.summary["cells"] == result.summary["cells"]


def test_dry_run_counts_images_and_writes_nothing(home: Path, tmp_path: Path) -> None:
    result = of_models(home, out=tmp_path / "out", dry_run=True)
    assert result.summary["images"] == {"before": 30, "after": 30} and not (tmp_path / "out").exists()
    assert result.summary["hours"] >= 0


def test_originals_are_not_both_scored_and_to_be_scored(home: Path, tmp_path: Path) -> None:
    before, _, _ = predictions(tmp_path)
    with pytest.raises(CxrshortError) as caught:
        of_models(home, before=str(before))
    assert caught.value.message == f"--before '{before}' is a table of predictions, and models score datasets"


REFUSALS: list[tuple[dict[str, object], str, str]] = [
    ({"before": "edits", "after": "films"}, "edits: all images are edits, and none is an original",
     "--before takes the originals, --after their edits"),
    ({"after": "films"}, "films: no row has both source_image_id and edit",
     "--after takes edits, which say what they were made from, and how"),
    ({"reference": "edits"}, "edits: all images are edits, and none is an image of the reference cohort",
     "name a dataset of films"),
    ({"sham": "covid-19", "after": "edits"}, "edits: no edit adds a finding: 'covid-19', 'sham'",
     "edit names what it adds"),
    ({"labels": ["Edma"]}, "'Edma' is not a known label of all models", "did you mean 'Edema'?"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message", "hint"), REFUSALS)
@pytest.mark.parametrize("dry_run", [False, True])
def test_what_makes_no_pairs_is_refused_before_anything_is_scored(
    home: Path, tmp_path: Path, options: dict[str, object], message: str, hint: str, dry_run: bool
) -> None:
    events: list[object] = []
    paths = {name: str(home / str(value)) for name, value in options.items() if value in ("films", "edits")}
    with pytest.raises(CxrshortError) as caught:
        of_models(home, **{**options, **paths}, out=tmp_path / "out", dry_run=dry_run, report=events.append)
    assert (caught.value.message, caught.value.hint) == (message, hint)
    assert not events and not (tmp_path / "out").exists()


def test_reference_cohort_may_be_a_dataset(home: Path, tmp_path: Path) -> None:
    result = of_models(home, reference=str(home / "films"), out=tmp_path / "out")
    assert result.summary["models"][0]["reference_images"] == 30
    assert not any(note.startswith("percentiles are within") for note in result.notes)
