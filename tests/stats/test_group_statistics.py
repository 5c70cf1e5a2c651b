"""All groups at once, against each group by itself, with ties; levels of scores; other groups in turn."""

import numpy as np
import pytest

from cxrshort.stats.group_statistics import group_statistics
from cxrshort.stats.subgroups import AUC, CALIBRATION, COMPARED

from .scored_groups import by_metric, example


@pytest.mark.parametrize("digits", [1, 6], ids=["ties", "no ties"])
def test_statistics_of_all_groups_at_once_are_those_of_each_group(digits: int) -> None:
    rows, _ = example(600, per_person=2, digits=digits)
    numbers = np.random.default_rng(1).integers(0, 4, 300)[rows.codes]
    statistics = group_statistics(rows, groups=4)
    assert list(statistics) == list(COMPARED)
    for name, statistic in statistics.items():
        values = statistic(numbers)
        for number in range(4):
            assert values[number] == pytest.approx(by_metric(rows, numbers == number)[name].value, abs=1e-9)


def test_many_scores_are_cut_into_levels_that_hardly_move_an_auc() -> None:
    rows, member = example(30_000)
    area = group_statistics(rows, groups=2)[AUC](member.astype(np.int64))
    assert area[1] == pytest.approx(by_metric(rows, member)[AUC].value, abs=2e-5)


def test_statistics_of_other_groups_are_not_those_of_the_last_ones() -> None:
    """Two metrics share their counts; the counts of earlier groups must not be taken for those of later ones."""
    rows, member = example(600, per_person=2)
    halves = [part.astype(np.int64) for part in (member, ~member)]
    together = group_statistics(rows, groups=2)
    for numbers in (*halves, halves[0]):
        for name in (AUC, CALIBRATION):
            assert (together[name](numbers) == group_statistics(rows, groups=2)[name](numbers)).all()
