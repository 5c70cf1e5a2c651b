"""Groups, cells of group and class, and draws of persons."""

import numpy as np
import pandas as pd
import pytest

from cxrshort.errors import DataError, UsageError
from cxrshort.training.cures.groups import Cells, label_groups

GROUPS = np.array(["a"] * 6 + ["b"] * 6 + ["", "b"], dtype=object)
TARGETS = np.array([0, 0, 0, 0, 1, 1] * 2 + [1, np.nan], np.float32)
PERSONS = np.array([f"P{row}" for row in range(14)], dtype=object)


def test_label_is_no_part_of_its_own_groups() -> None:
    rows = pd.DataFrame({"view": ["AP", "PA"], "Edema": [0, 1], "Mass": [1, 1]})
    assert label_groups(rows, "view, `Edema`", "Edema").tolist() == ["AP", "PA"]
    assert label_groups(rows, "view,Edema", "Mass").tolist() == ["AP,0", "PA,1"]
    assert label_groups(rows, 'view == "AP"', "Edema").tolist() == ["true", "false"]
    with pytest.raises(UsageError) as caught:
        label_groups(rows, "Edema", "Edema")
    assert caught.value.message == "--group is the label 'Edema', whose classes are balanced anyway"


def test_images_without_group_or_class_are_in_no_cell() -> None:
    cells = Cells(GROUPS, TARGETS, PERSONS)
    assert cells.rows.tolist() == list(range(12))
    assert (cells.names, cells.persons_by_cell()) == (["a", "b"], [4, 2, 4, 2])


def test_balanced_draws_one_image_each_of_as_many_persons_of_every_cell() -> None:
    persons = np.array(["A", "A", "A", "B", "C", "D", "E", "F", "G", "G", "H", "I", "J", "K"], dtype=object)
    cells = Cells(GROUPS, TARGETS, persons)
    drawn = [cells.balanced(np.random.default_rng(seed)) for seed in range(40)]
    for places in drawn:
        assert np.bincount(cells.codes[places]).tolist() == [2, 2, 2, 2]
        for code in range(4):
            members = cells.persons[places[cells.codes[places] == code]]
            assert len(set(members)) == len(members)
    assert set(np.concatenate(drawn)) == set(range(12))


def test_halves_part_persons_and_divide_every_cell() -> None:
    persons = np.array(["A", "B", "C", "D", "E", "F", "A", "B", "G", "H", "I", "J", "K", "L"], dtype=object)
    for seed in range(20):
        first, second = Cells(GROUPS, TARGETS, persons).halves(np.random.default_rng(seed))
        assert not set(first.persons) & set(second.persons)
        assert sorted([*first.rows, *second.rows]) == list(range(12))
        assert min(first.persons_by_cell()) >= 1 and min(second.persons_by_cell()) >= 1


def test_worst_cell_and_worst_group() -> None:
    cells = Cells(GROUPS, TARGETS, PERSONS)
    logits = np.array([-1.0, -1, -1, 1, 1, 1] + [-1, -1, 1, 1, 1, -2])
    assert cells.worst_accuracy(logits) == 0.5
    # In b the positives are at 1 and -2, the negatives at -1, -1, 1 and 1: (2 + 2 / 2) of 8 pairs are in order.
    assert cells.worst_auc(logits) == 0.375


def test_check_names_the_smallest_cell() -> None:
    cells = Cells(GROUPS, TARGETS, PERSONS)
    cells.check("Edema", method="dfr", fewest=2)
    with pytest.raises(DataError) as caught:
        cells.check("Edema", method="dfr", fewest=3)
    assert caught.value.message == ("group 'a' has 2 val persons with Edema = 1, 'dfr' needs 3, and 1 more such cells")
    with pytest.raises(DataError) as caught:
        Cells(GROUPS, np.where(GROUPS == "b", 0, TARGETS), PERSONS).check("Edema", method="dfr", fewest=1)
    assert caught.value.message == "group 'b' has 0 val persons with Edema = 1, 'dfr' needs 1"
    with pytest.raises(UsageError) as caught:
        Cells(GROUPS[:6], TARGETS[:6], PERSONS[:6]).check("Edema", method="dfr", fewest=1)
    assert caught.value.message == ("'dfr' needs two groups or more, all val images with a word on 'Edema' are in one")
