"""Which curves and points the figures of an evaluation show."""

import numpy as np
import pandas as pd
import pytest

from cxrshort.figures import evaluation


def predictions(targets, *, replicate=0, dataset="I"):
    count = len(targets)
    return pd.DataFrame(
        {
            "model": f"runs/{replicate}",
            "model_id": f"m{replicate}",
            "training": "I/small/erm",
            "training_id": "t",
            "dataset": dataset,
            "dataset_id": dataset,
            "replicate": replicate,
            "role": "internal" if dataset == "I" else "external",
            "image_id": [f"{dataset}/{row}" for row in range(count)],
            "person_id": [f"{dataset}:{row}" for row in range(count)],
            "target.X": np.array(targets, dtype=float),
            "logit.X": np.arange(count, dtype=float),
        }
    )


@pytest.fixture
def drawn(monkeypatch):
    """Return what would be drawn, by figure."""
    actual = {}

    def keep(name):
        def draw(items, path, *, label):
            actual[name] = items
            return path

        return draw

    monkeypatch.setattr(evaluation, "roc_panels", keep("roc"))
    monkeypatch.setattr(evaluation, "gap_plot", keep("gap"))
    return actual


def test_every_replicate_has_a_curve_and_a_point_with_its_auc(drawn, tmp_path):
    paths = tmp_path / "roc.png", tmp_path / "gap.png"
    table = pd.concat(
        [
            predictions([0, 1, 0, 1]),
            predictions([0, 0, 1, 1], replicate=1),
            predictions([1, 0, 1, 0], dataset="II"),
            predictions([0, 0, 0, 0], dataset="III"),  # one class: no curve
        ]
    )
    assert evaluation.draw_evaluation(table, "X", roc=paths[0], gap=paths[1]) == paths
    assert [(curve.tested_on, curve.replicate, curve.auc) for curve in drawn["roc"]] == [
        ("I", 0, 0.75),
        ("I", 1, 1.0),
        ("II", 0, 0.25),
    ]
    assert len(drawn["gap"]) == 3


def test_nothing_is_drawn_where_no_fold_has_both_classes(drawn, tmp_path):
    table = predictions([1, 1, 1])
    assert evaluation.draw_evaluation(table, "X", roc=tmp_path / "roc.png", gap=tmp_path / "gap.png") == ()
    assert not drawn
