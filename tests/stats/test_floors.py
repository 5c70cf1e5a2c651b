"""Models against floors: the paired test and Holm's correction, and the expected external AUC."""

import numpy as np
import pytest

from cxrshort.errors import UsageError
from cxrshort.stats.auc import auc, compare_paired
from cxrshort.stats.floors import FLOORS, SHUFFLED, compare_with_floors, expected_external_auc
from cxrshort.stats.signed_rank import holm


def scored(rng, *, persons=150, effect=1.0):
    codes = np.repeat(np.arange(persons), 2)
    targets = (rng.random(persons) < 0.4)[codes].astype(float)
    return targets, effect * targets + rng.normal(size=len(codes)), codes


def test_rows_are_those_of_the_paired_test_with_holms_correction() -> None:
    rng = np.random.default_rng(0)
    targets, scores, codes = scored(rng)
    floors = {
        name: shift * targets + rng.normal(size=len(targets))
        for name, shift in zip(FLOORS, (0, 0.3, 0.6, 0.8, 1), strict=False)
    }
    rows = compare_with_floors(targets, scores, floors=floors, clusters=codes)
    pairs = [compare_paired(targets, before=floor, after=scores, clusters=codes) for floor in floors.values()]
    assert [row.difference for row in rows] == [pair.difference for pair in pairs]
    assert [row.p_holm for row in rows] == holm([pair.p_value for pair in pairs])
    assert [row.finding for row in rows] == [
        "superior" if (row.p_holm <= 0.05 and row.difference > 0) else "not shown" for row in rows
    ]
    assert {"superior", "not shown"} == {row.finding for row in rows}
    assert {(row.images, row.persons) for row in rows} == {(300, 150)}


def test_an_inferior_model_is_not_superior_however_small_p_is() -> None:
    rng = np.random.default_rng(1)
    targets, scores, codes = scored(rng, effect=0.1)
    (row,) = compare_with_floors(targets, scores, floors={"thumbnail": 3 * targets + scores}, clusters=codes)
    assert row.p_holm < 1e-6 and row.finding == "not shown"


def test_perfect_model_is_held_against_floors_by_exact_limits() -> None:
    """Two AUCs without variance leave no paired test; with six persons nothing can be shown."""
    for persons, finding in ((100, "superior"), (6, "not shown")):
        targets = np.arange(persons) % 2
        (row,) = compare_with_floors(
            targets, targets, floors={"prevalence": np.zeros(persons)}, clusters=np.arange(persons)
        )
        assert (row.model_auc, row.floor_auc, row.p_holm, row.finding) == (1.0, 0.5, None, finding)


def test_one_class_has_no_finding_but_a_reason() -> None:
    (row,) = compare_with_floors(np.zeros(4), np.arange(4), floors={"thumbnail": np.arange(4)}, clusters=np.arange(4))
    assert (row.finding, row.reason, row.p_holm) == ("", "only negatives", None)


def test_null_models_are_rarely_called_superior() -> None:
    """At most 5 % of 400 families of three floors, with a standard error of 1.1 points; three allowed."""
    rng = np.random.default_rng(2)
    accused = []
    for _ in range(400):
        targets, scores, codes = scored(rng, persons=60, effect=0.5)
        floors = {name: 0.5 * targets + rng.normal(size=len(targets)) for name in ("a", "b", "c")}
        rows = compare_with_floors(targets, scores, floors=floors, clusters=codes)
        accused.append(any(row.finding == "superior" for row in rows))
    assert np.mean(accused) <= 0.05 + 0.033


def test_expected_external_auc_is_the_formula_of_ong_ly() -> None:
    rng = np.random.default_rng(3)
    targets, scores, codes = scored(rng, effect=2.0)
    shuffled = 1.2 * targets + rng.normal(size=len(targets))
    expected = expected_external_auc(targets, scores, shuffled, clusters=codes)
    assert expected.value == pytest.approx(auc(targets, scores) - auc(targets, shuffled) + 0.5)
    pair = compare_paired(targets, before=shuffled, after=scores, clusters=codes)
    assert (expected.low, expected.high) == (pytest.approx(pair.low + 0.5), pytest.approx(pair.high + 0.5))


def test_expected_external_auc_stays_an_auc_and_needs_both_classes() -> None:
    targets, codes = np.tile([0.0, 1.0], 20), np.arange(40)
    rng = np.random.default_rng(4)
    worse = expected_external_auc(
        targets, targets + rng.normal(size=40) / 4, -targets + rng.normal(size=40), clusters=codes
    )
    assert worse.value <= worse.high == 1.0
    assert expected_external_auc(np.zeros(40), codes, codes, clusters=codes) is None


def test_floors_refuse_a_level_of_95() -> None:
    with pytest.raises(UsageError, match="is not between 0 and 1"):
        compare_with_floors([0, 1], [0, 1], floors={SHUFFLED: [0, 1]}, clusters=[0, 1], level=95)
