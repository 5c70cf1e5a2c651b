"""The matrix of a stress test: planted shortcuts are found, faultless models are not accused, gaps are named."""

import numpy as np
import pytest

from cxrshort.stats.cooccurrence import Cooccurrence
from cxrshort.stats.percentiles import percentiles
from cxrshort.stats.signed_rank import signed_rank
from cxrshort.stats.stress import (
    NO_SHAM,
    NOT_AVAILABLE,
    EditedImages,
    ReferenceCohort,
    StressCell,
    stress_cells,
)
from cxrshort.stats.verdicts import NO_EVIDENCE, NOT_TESTABLE, SHORTCUT, SUSPICIOUS

from .edited_scores import NAMES, cohort, counted, edits, matrix

NOTHING_COMES_ALONG = np.eye(4)
SHARES = np.array([[0.95, 0.1, 0, 0], [0.9, 0.97, 0, 0], [0.45, 0, 0.93, 0], [0.4, 0, 0, 1.0]])
"""As the paper's readers found: edema brings cardiomegaly, and all others bring it often."""


def words(cells: list[StressCell]) -> dict[tuple[str, str], str]:
    return {(cell.added, cell.predicted): cell.verdict.verdict for cell in cells if cell.verdict is not None}


def test_cell_holds_the_published_numbers() -> None:
    rng = np.random.default_rng(0)
    made, reference = edits(rng, NOTHING_COMES_ALONG, persons=30), cohort(rng)
    cell = stress_cells(made, NAMES, reference=reference)[1]
    before, after = (percentiles(side[:, 1], reference.logits[:, 1]) for side in (made[0].before, made[0].after))
    assert (cell.added, cell.predicted, cell.on_target, cell.images, cell.persons) == (*NAMES[:2], False, 30, 30)
    assert cell.change.value == np.median(after - before) and cell.p_change == signed_rank(after - before).p
    assert cell.percentiles == (np.median(before), np.median(after))
    assert cell.probabilities[0] == pytest.approx(np.median(1 / (1 + np.exp(-made[0].before[:, 1]))))
    assert made[0].sham is not None
    control = percentiles(made[0].sham[:, 1], reference.logits[:, 1])
    assert cell.beyond.value == np.median(after - control)
    assert cell.excess is not None and cell.excess.mean.value == pytest.approx((after - control).mean())


def test_rows_are_edits_and_columns_predictions_in_their_order() -> None:
    rng = np.random.default_rng(0)
    cells = matrix(rng, NOTHING_COMES_ALONG, persons=12)
    assert [(cell.added, cell.predicted) for cell in cells] == [(row, column) for row in NAMES for column in NAMES]
    assert [cell.verdict is None for cell in cells] == [cell.on_target for cell in cells]
    assert all(cell.p_change_holm is not None and cell.p_change_holm >= (cell.p_change or 0) for cell in cells)


def test_planted_shortcuts_are_found_and_no_other_cell_is_accused() -> None:
    rng, planted = np.random.default_rng(0), {(1, 3): 1.3, (2, 1): 1.3}
    called, accused = 0, 0
    for _ in range(20):
        verdicts = words(matrix(rng, SHARES, persons=40, shortcuts=planted))
        hits = {(NAMES[sign], NAMES[predicted]) for sign, predicted in planted}
        called += sum(verdicts[pair] == SHORTCUT for pair in hits)
        # Cardiomegaly adds edema in a tenth of its edits, and so a little of hernia: below the margin.
        accused += sum(word == SHORTCUT for pair, word in verdicts.items() if pair not in hits)
    assert called >= 36 and accused == 0


@pytest.mark.parametrize(("persons", "images"), [(12, 1), (40, 1), (20, 3)])
def test_models_without_shortcuts_are_not_accused_of_what_comes_along(persons: int, images: int) -> None:
    rng = np.random.default_rng(1)
    verdicts = [word for _ in range(20) for word in words(matrix(rng, SHARES, persons=persons, images=images)).values()]
    assert verdicts.count(SHORTCUT) == 0 and verdicts.count(SUSPICIOUS) <= 2
    assert verdicts.count(NO_EVIDENCE) >= len(verdicts) - 2


def test_the_same_changes_are_accused_where_nothing_is_said_to_come_along() -> None:
    rng = np.random.default_rng(2)
    made = edits(rng, SHARES, persons=40)
    none = counted(np.zeros((4, 4)))
    verdicts = words(stress_cells(made, NAMES, reference=cohort(rng), cooccurrence=none))
    assert verdicts["Edema", "Cardiomegaly"] == SHORTCUT


@pytest.mark.parametrize(("cooccurrence", "with_sham"), [(None, True), (counted(NOTHING_COMES_ALONG), False)])
def test_nothing_is_more_than_suspicious_without_readers_or_without_a_sham(
    cooccurrence: Cooccurrence | None, with_sham: bool
) -> None:
    rng = np.random.default_rng(3)
    made = edits(rng, NOTHING_COMES_ALONG, persons=40, shortcuts={(0, 3): 1.5}, with_sham=with_sham)
    cells = stress_cells(made, NAMES, reference=cohort(rng), cooccurrence=cooccurrence)
    cell = next(cell for cell in cells if (cell.added, cell.predicted) == (NAMES[0], NAMES[3]))
    assert cell.verdict is not None and cell.verdict.verdict == SUSPICIOUS
    reason = NO_SHAM if cooccurrence else "nobody has counted how often it comes along with the added finding"
    assert cell.verdict.why.endswith(f"but {reason}")
    assert np.isnan(cell.beyond.value) == (not with_sham)


def test_finding_that_the_model_does_not_react_to_is_suspicious_at_most() -> None:
    rng = np.random.default_rng(10)
    shares = np.eye(4)
    made = edits(rng, np.diag([1.0, 1, 1, 0]), persons=40, shortcuts={(0, 3): 1.8})
    cells = stress_cells(made, NAMES, reference=cohort(rng), cooccurrence=counted(shares))
    cell = next(cell for cell in cells if (cell.added, cell.predicted) == (NAMES[0], NAMES[3]))
    assert cell.verdict is not None and cell.verdict.verdict == SUSPICIOUS and cell.reaction is not None
    assert cell.verdict.why.endswith(f"but the model hardly reacts to Hernia itself ({cell.reaction:.1f} points)")


def test_less_of_a_finding_is_suspicious() -> None:
    rng = np.random.default_rng(4)
    cells = matrix(rng, NOTHING_COMES_ALONG, persons=60, shortcuts={(0, 3): -1.5})
    assert words(cells)[NAMES[0], NAMES[3]] == SUSPICIOUS


def test_output_that_never_varies_is_not_available() -> None:
    rng = np.random.default_rng(5)
    made, reference = edits(rng, NOTHING_COMES_ALONG, persons=20), cohort(rng)
    for part in (reference.logits, *(side for edit in made for side in (edit.before, edit.after, edit.sham))):
        part[:, 2] = 0.0
    cells = stress_cells(made, NAMES, reference=reference, cooccurrence=counted(NOTHING_COMES_ALONG))
    column = [cell for cell in cells if cell.predicted == NAMES[2]]
    assert [cell.reason for cell in column] == [NOT_AVAILABLE] * 4
    assert [cell.verdict.why for cell in column if cell.verdict] == [NOT_AVAILABLE] * 3
    assert all(cell.excess is not None for cell in cells if cell.predicted != NAMES[2] and not cell.on_target)


def test_too_few_persons_are_not_testable() -> None:
    cells = matrix(np.random.default_rng(6), NOTHING_COMES_ALONG, persons=6, images=4)
    reasons = {cell.verdict.why for cell in cells if cell.verdict}
    assert set(words(cells).values()) == {NOT_TESTABLE}
    assert reasons == {"6 persons: a test over so many cells needs 9"}


def test_images_without_a_sham_or_a_logit_are_left_out_where_they_must_be() -> None:
    rng = np.random.default_rng(7)
    made = edits(rng, NOTHING_COMES_ALONG, persons=30)
    assert made[0].sham is not None
    made[0].sham[:10] = np.nan
    made[0].after[5, 1] = np.nan
    cell = stress_cells(made, NAMES, reference=cohort(rng), cooccurrence=counted(NOTHING_COMES_ALONG))[1]
    assert (cell.images, cell.excess.persons if cell.excess else 0) == (29, 20)
    made[0].after[:, 1] = np.nan
    cell = stress_cells(made, NAMES, reference=cohort(rng))[1]
    assert (cell.reason, cell.verdict.verdict if cell.verdict else "") == (
        "no image has a logit before and after",
        NOT_TESTABLE,
    )


def test_finding_that_no_edit_adds_is_measured_in_labelled_images() -> None:
    rng = np.random.default_rng(8)
    made = edits(rng, SHARES, persons=40)[1:]  # cardiomegaly comes along and is never added itself
    real = np.vstack([rng.normal(-0.5, 0.8, (400, 4)), rng.normal(1.5, 0.8, (200, 4))])
    targets = np.repeat([0.0, 1.0], [400, 200])[:, None].repeat(4, axis=1)
    options = {"labels": NAMES, "cooccurrence": counted(SHARES)}
    known = words(stress_cells(made, reference=ReferenceCohort(real, targets, range(600)), **options))
    unknown = words(stress_cells(made, reference=ReferenceCohort(real), **options))
    assert known["Edema", "Cardiomegaly"] == NO_EVIDENCE
    assert unknown["Edema", "Cardiomegaly"] == SUSPICIOUS


def test_edit_that_no_label_is_of_has_no_cell_on_target() -> None:
    rng = np.random.default_rng(9)
    edit = edits(rng, NOTHING_COMES_ALONG, persons=20)[0]
    other = EditedImages("scoliosis", "", edit.persons, edit.before, edit.after, edit.sham)
    assert not any(cell.on_target for cell in stress_cells([other], NAMES, reference=cohort(rng)))
