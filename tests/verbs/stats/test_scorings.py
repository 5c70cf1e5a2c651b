"""Which models were scored on which test folds."""

from pathlib import Path

import numpy as np

from cxrshort.verbs.stats.run_folders import find_runs
from cxrshort.verbs.stats.scorings import iterate_scorings, join_scores, read_test_folds

from .finished_runs import evaluation, finished, scores


def folds_below(folder: Path, **options):
    return read_test_folds(find_runs([folder])[0], **options)


def test_evaluations_count_by_dataset_and_replicate(tmp_path: Path) -> None:
    evaluation(tmp_path / "a", scores(0), scores(1, replicate=1), scores(0, dataset="II"))
    evaluation(tmp_path / "b", scores(0), scores(2), day=1)
    folds, notes = folds_below(tmp_path)
    counts = [(fold.dataset, fold.replicate, len(fold.scorings), fold.models, fold.trainings) for fold in folds]
    assert counts == [("I", 0, 3, 2, 2), ("I", 1, 1, 1, 1), ("II", 0, 1, 1, 1)]
    assert notes == []
    assert len(list(iterate_scorings(folds))) == 5


def test_validation_images_do_not_count_and_all_images_do(tmp_path: Path) -> None:
    evaluation(tmp_path / "a", scores(0), split="val")
    evaluation(tmp_path / "b", scores(1), split="all")
    folds, notes = folds_below(tmp_path)
    assert [fold.models for fold in folds] == [1]
    assert notes == ["1 run on training or validation images is not counted"]


def test_audits_count_for_the_fold_of_their_model(tmp_path: Path) -> None:
    evaluation(tmp_path / "a", scores(0), scores(1, replicate=1), inputs={"I": "manifest-sha"})
    summary = {"model_id": "m1", "dataset": "I", "dataset_id": "id-I"}
    finished(tmp_path / "b", "explain", day=1, arguments={"split": "test"}, summary=summary)
    inputs = {"runs/0/model.safetensors": "m0", "dataset": "manifest-sha"}
    finished(tmp_path / "c", "swap-test", day=2, summary={"dataset": "I"}, inputs=inputs)
    folds, _ = folds_below(tmp_path)
    assert [[scoring.verb for scoring in fold.scorings] for fold in folds] == [
        ["evaluate", "swap-test"],
        ["evaluate", "explain"],
    ]


def test_audit_of_an_unknown_model_counts_for_every_fold_of_its_dataset(tmp_path: Path) -> None:
    evaluation(tmp_path / "a", scores(0), scores(1, replicate=1))
    summary = {"model_id": "m9", "dataset": "I", "dataset_id": "id-I"}
    finished(tmp_path / "b", "explain", day=1, summary=summary)
    finished(tmp_path / "c", "explain", day=1, summary={**summary, "dataset": "IV", "dataset_id": "id-IV"})
    folds, _ = folds_below(tmp_path)
    assert [(fold.dataset, fold.replicate, fold.models) for fold in folds] == [
        ("I", 0, 2),
        ("I", 1, 2),
        ("IV", None, 1),
    ]


def test_scores_are_joined_by_image(tmp_path: Path) -> None:
    first, second = scores(0), scores(1).iloc[::-1].iloc[:90]
    evaluation(tmp_path / "a", first, second)
    ((fold,), _) = folds_below(tmp_path)
    targets, logits, persons = join_scores(fold)
    assert logits.shape == (90, 2)
    by_image = first.set_index("image_id").loc[persons]
    assert np.allclose(logits[:, 0], by_image["logit.Edema"])
    assert np.allclose(logits[:, 1], second.set_index("image_id").loc[persons, "logit.Edema"])
    assert targets.tolist() == by_image["target.Edema"].tolist()


def test_label_without_scores_joins_nothing(tmp_path: Path) -> None:
    evaluation(tmp_path / "a", scores(0))
    ((fold,), _) = folds_below(tmp_path, label="Mass")
    assert join_scores(fold) is None and fold.models == 1


def test_lost_predictions_are_noted(tmp_path: Path) -> None:
    folder = evaluation(tmp_path / "a", scores(0))
    (folder / "predictions.csv").unlink()
    folds, notes = folds_below(tmp_path)
    assert folds == [] and notes[0].startswith("a: its predictions cannot be read and are not counted (")
