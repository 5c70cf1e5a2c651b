"""What ``stats calibration`` shows: the columns that people see, and the rows of files."""

import numpy as np
import pandas as pd

from cxrshort.results import Table
from cxrshort.stats.calibration import calibration
from cxrshort.stats.midranks import Floats
from cxrshort.stats.recalibration import fit_platt, fit_temperature
from cxrshort.stats.reliability import class_probabilities, reliability_points
from cxrshort.verbs.stats.calibration_tables import (
    Fits,
    Judged,
    calibration_blocks,
    calibration_numbers,
    class_rows,
    fit_rows,
    number_columns,
    point_rows,
)
from cxrshort.verbs.stats.scores import Scores

TARGETS = np.tile([0.0, 0, 0, 1, 0, 1, 1, 1], 5)
PROBABILITIES: Floats = np.tile([0.25] * 4 + [0.75] * 4, 5)
PART = Scores({"label": "Edema"}, TARGETS, PROBABILITIES, None, pd.DataFrame(index=range(40)))
CASE = Judged(PART, PART.facts, PROBABILITIES)


def numbers() -> dict[str, object]:
    return calibration_numbers(calibration(TARGETS, PROBABILITIES, rng=np.random.default_rng(0), draws=50))


def test_columns_of_a_missing_measurement_are_those_of_one() -> None:
    counts = {"positives", "negatives", "persons", "reason"}
    assert set(number_columns()) | counts == set(numbers())


def test_rows_of_points_and_classes_hold_their_numbers() -> None:
    points = point_rows([(CASE, reliability_points(*CASE.sample, bins=2))])
    shown = [(row["predicted"], row["observed"], row["images"]) for row in points]
    assert shown == [(0.25, 0.25, 20), (0.75, 0.75, 20)]
    negatives, positives = class_rows([(CASE, class_probabilities(*CASE.sample, bins=2))])
    assert (negatives["to_0.50"], negatives["to_1.00"], negatives["target"]) == (15, 5, 0)
    assert (positives["quarter"], positives["median"], positives["three_quarters"]) == (0.625, 0.75, 0.75)


def test_fit_that_several_test_sets_share_is_one_row() -> None:
    logits = np.log(PROBABILITIES / (1 - PROBABILITIES))
    fits = Fits(PART, {"temperature": fit_temperature(TARGETS, logits)}, {"Platt": "why not"})
    rows = fit_rows([fits, fits])
    assert [(row["recalibration"], row["reason"]) for row in rows] == [("temperature", ""), ("Platt", "why not")]
    assert (rows[0]["temperature"], rows[1]["slope"]) == (1 / rows[0]["slope"], None)
    platt = fit_rows([Fits(PART, {"Platt": fit_platt(TARGETS, logits)}, {})])[1]
    assert platt["temperature"] is None and platt["intercept"] is not None


def test_tables_for_people() -> None:
    row = {"label": "Edema", **numbers(), "caution": "only few"}
    table, classes = calibration_blocks([row], [(CASE, class_probabilities(*CASE.sample))], [], level=0.95)
    assert isinstance(table, Table) and isinstance(classes, Table)
    (cells,) = ({column.heading: shown[column.key] for column in table.columns} for shown in table.rows)
    assert cells["probabilities of"] == "Edema"
    assert cells["slope"].startswith("1.000 [") and cells["observed:expected"].startswith("1.000 [")
    assert cells["ECE by chance"].count(",") == 1
    assert cells["caution"] == "only few"
    assert [shown["class"] for shown in classes.rows] == ["negatives", "positives"]
