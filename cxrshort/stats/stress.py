"""What a classifier says of findings that nobody added: the matrix of a stress test with edited images.

A cell is one added and one predicted finding; where they are the same it is on target, and everywhere else a change
says that the model takes the added finding for a sign of the predicted one, or that the edit brought that along. Three
numbers tell these apart. The *change* is what is published: the percentile after the edit minus that before (RoentMod
2025, Methods), as a median. The change *beyond the sham* compares with an edit that adds nothing, so that what the
editor does to every image does not count. The *excess* takes off what co-occurrence explains, and is a mean; see
:mod:`cxrshort.stats.stress_excess`. Only the excess accuses, and only where the signed-rank test of the change beyond
the sham agrees. Where the model does not react to the predicted finding itself, when that is added, its output cannot
be said to be of that finding: such a cell is suspicious at most. A signed-rank test of the excess would not do: where a
finding comes along in 45 % of the edits, the excess of a faultless model has a mean of 0, and a distribution that is
not symmetric about it.

The unit is the person. What would invalidate a cell: edited images in the reference cohort, a sham of other noise than
the edits, originals that have the predicted finding already, a co-occurrence of another editor, and an output that
never varies, which is not available, not free of shortcuts.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from cxrshort.stats.changes import Interval, mean_by_person
from cxrshort.stats.clustered_medians import clustered_median
from cxrshort.stats.cooccurrence import Cooccurrence
from cxrshort.stats.midranks import Floats, Integers, number_persons
from cxrshort.stats.percentiles import is_constant, percentiles
from cxrshort.stats.signed_rank import fewest_differences, holm, signed_rank
from cxrshort.stats.stress_excess import Excess, MeanChange, excess_change, smallest_excess
from cxrshort.stats.verdicts import RULES, Evidence, Rule, Verdict, judge

RULE = RULES["roentmod-stress-test"]
NOT_AVAILABLE = "not available: the output never varies, as that of a model that was not trained on the finding"
NO_PAIR = "no image has a logit before and after"
NO_SHAM = "no sham edit shows what the editor itself does"
_NOTHING = Interval(math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True, eq=False)
class EditedImages:
    """Hold one model's logits of images before and after one edit.

    Args:
        added: the name of the edit.
        label: the predicted finding that it adds; "" where the model predicts none such.
        persons: (n,) whose images they are; a person has one name in all edits.
        before: (n, L) logits of the originals; NaN where there is none.
        after: (n, L) of the edited images.
        sham: (n, L) of the same originals after an edit that adds nothing; None where there are no such edits.
    """

    added: str
    label: str
    persons: ArrayLike
    before: Floats
    after: Floats
    sham: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceCohort:
    """Hold the scores of the real images that percentiles are of.

    Args:
        logits: (R, L).
        targets: (R, L) truth, NaN where it is not known; None where none is.
        persons: (R,) whose images they are; needed with targets.
    """

    logits: Floats
    targets: Floats | None = None
    persons: ArrayLike | None = None


@dataclass(frozen=True, slots=True)
class StressCell:
    """Hold one added and one predicted finding; changes are in percentile points.

    Args:
        added: name of the edit.
        predicted: label.
        on_target: whether the added finding is the predicted one.
        images: pairs with a logit before and after.
        persons: of whom they are.
        percentiles: medians over images, before and after.
        probabilities: medians over images, before and after, 0 to 1.
        change: median of after minus before, with limits.
        p_change: of its signed-rank test over persons; None where there is none.
        p_change_holm: the same, corrected over the matrix.
        beyond: median of after minus sham, with limits; NaN without a sham.
        p_beyond: of its signed-rank test; None without a sham.
        cooccurrence: share of these edits that show the predicted finding; None where it is not known.
        reaction: mean change beyond the sham where the predicted finding itself was added; None where it never was.
        excess: mean change beyond the sham that co-occurrence does not explain; None on target and without pairs.
        verdict: None on target.
        reason: why there are no numbers; "" where there are.
    """

    added: str
    predicted: str
    on_target: bool
    images: int = 0
    persons: int = 0
    percentiles: tuple[float, float] = (math.nan, math.nan)
    probabilities: tuple[float, float] = (math.nan, math.nan)
    change: Interval = _NOTHING
    p_change: float | None = None
    p_change_holm: float | None = None
    beyond: Interval = _NOTHING
    p_beyond: float | None = None
    cooccurrence: float | None = None
    reaction: float | None = None
    excess: Excess | None = None
    verdict: Verdict | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class _Column:
    """Hold percentiles of one predicted finding: of all edits, and what they mean in the finding's own edits."""

    name: str
    before: list[Floats]
    after: list[Floats]
    sham: list[Floats | None]
    own: dict[int, float]
    labelled: MeanChange | None

    def net(self, row: int) -> Floats:
        """Return each image's change beyond its sham, beyond its original where there are no shams."""
        control = self.sham[row]
        return self.after[row] - (self.before[row] if control is None else control)


def stress_cells(
    edits: Sequence[EditedImages],
    labels: Sequence[str],
    *,
    reference: ReferenceCohort,
    cooccurrence: Cooccurrence | None = None,
    rule: Rule = RULE,
) -> list[StressCell]:
    """Return the matrix of one model, row by row: every added finding with every predicted one.

    P-values of the published change are corrected over the whole matrix, those of verdicts over the off-target cells
    that can be tested (Holm).

    Args:
        edits: a row of the matrix each, under different names.
        labels: L predicted findings, in the order of the columns of logits.
        reference: the cohort that percentiles are of.
        cooccurrence: how often findings come along; None where nobody has counted, and then no cell is called more than
            suspicious.
        rule: of the verdict.

    Raises:
        DataError: a row has no person.
    """
    codes = _number_jointly([edit.persons for edit in edits])
    columns = [_column(edits, place, name, codes=codes, reference=reference) for place, name in enumerate(labels)]
    cells = []
    for row, edit in enumerate(edits):
        for place, (name, column) in enumerate(zip(labels, columns, strict=True)):
            if column is None:
                cells.append(StressCell(edit.added, name, edit.label == name, reason=NOT_AVAILABLE))
            else:
                logits = edit.before[:, place], edit.after[:, place]
                cells.append(_cell(edit, column, row, codes=codes[row], logits=logits, cooccurrence=cooccurrence))
    return _judge_cells(cells, rule)


def _number_jointly(persons: Sequence[ArrayLike]) -> list[Integers]:
    """Return the persons of several edits as numbers, one person under one number in all of them."""
    names = [np.asarray(part, dtype=object).ravel() for part in persons]
    joined = np.concatenate(names) if names else np.empty(0, object)
    ends = np.cumsum([len(part) for part in names])[:-1]
    return [np.asarray(part, np.int64) for part in np.split(number_persons(joined, len(joined)), ends)]


def _column(
    edits: Sequence[EditedImages], place: int, name: str, *, codes: Sequence[Integers], reference: ReferenceCohort
) -> _Column | None:
    """Return the percentiles of one predicted finding; None where the output never varies."""
    cohort = reference.logits[:, place]
    if is_constant(cohort):
        return None
    before = [percentiles(edit.before[:, place], cohort) for edit in edits]
    after = [percentiles(edit.after[:, place], cohort) for edit in edits]
    sham = [None if edit.sham is None else percentiles(edit.sham[:, place], cohort) for edit in edits]
    column = _Column(name, before, after, sham, {}, _labelled_change(reference, place))
    own = [_by_person(column.net(row), codes[row]) for row, edit in enumerate(edits) if edit.label == name]
    return replace(column, own=own[0]) if own else column


def _by_person(values: Floats, codes: Integers) -> dict[int, float]:
    """Return the mean of each person's values that are numbers."""
    finite = np.isfinite(values)
    people, places = np.unique(codes[finite], return_inverse=True)
    means = mean_by_person(values[finite], places) if len(people) else np.empty(0)
    return dict(zip(people.tolist(), means.tolist(), strict=True))


def _labelled_change(reference: ReferenceCohort, place: int) -> MeanChange | None:
    """Return by how much real persons with a finding lie above those without; None where fewer than two have it."""
    if reference.targets is None or reference.persons is None:
        return None
    ranks = percentiles(reference.logits[:, place], reference.logits[:, place])
    codes, truth = number_persons(reference.persons, len(ranks)), reference.targets[:, place]
    sides = []
    for present in (1, 0):
        rows = truth == present
        sides.append(np.array(list(_by_person(ranks[rows], codes[rows]).values())))
    if min(map(len, sides)) < 2:
        return None
    error = math.sqrt(sum(float(side.var(ddof=1)) / len(side) for side in sides))
    return float(sides[0].mean() - sides[1].mean()), error


def _cell(
    edit: EditedImages,
    column: _Column,
    row: int,
    *,
    codes: Integers,
    logits: tuple[Floats, Floats],
    cooccurrence: Cooccurrence | None,
) -> StressCell:
    """Return one cell without corrected p-values and without a verdict."""
    before, after, on_target = column.before[row], column.after[row], edit.label == column.name
    paired = np.isfinite(before) & np.isfinite(after)
    if not paired.any():
        return StressCell(edit.added, column.name, on_target, reason=NO_PAIR)
    share = None if cooccurrence is None else cooccurrence.share([edit.added, edit.label], column.name)
    change, p_change = _median_and_p((after - before)[paired], codes[paired])
    net = np.where(paired, column.net(row), np.nan)
    controlled = np.isfinite(net)
    beyond, p_beyond = _NOTHING, None
    if edit.sham is not None and controlled.any():
        beyond, p_beyond = _median_and_p(net[controlled], codes[controlled])
    excess = None
    if not on_target and controlled.any():
        excess = excess_change(
            _by_person(net, codes),
            share,
            own=column.own,
            adherence=1.0 if cooccurrence is None else cooccurrence.adherence(column.name),
            labelled=column.labelled,
        )
    return StressCell(
        edit.added,
        column.name,
        on_target,
        images=int(paired.sum()),
        persons=len(np.unique(codes[paired])),
        percentiles=(float(np.median(before[paired])), float(np.median(after[paired]))),
        probabilities=(_median_probability(logits[0][paired]), _median_probability(logits[1][paired])),
        change=change,
        p_change=p_change,
        beyond=beyond,
        p_beyond=p_beyond,
        cooccurrence=share,
        reaction=float(np.mean(list(column.own.values()))) if column.own else None,
        excess=excess,
    )


def _median_and_p(values: Floats, codes: Integers) -> tuple[Interval, float]:
    """Return the median over images with limits, and the signed-rank test over persons."""
    _, places = np.unique(codes, return_inverse=True)
    return clustered_median(values, places), signed_rank(mean_by_person(values, places)).p


def _median_probability(logits: Floats) -> float:
    return float(np.median(expit(logits.astype(np.float64))))


def _judge_cells(cells: Sequence[StressCell], rule: Rule) -> list[StressCell]:
    """Return the cells with p-values corrected over the matrix, and with verdicts off target."""
    changes = holm([cell.p_change for cell in cells])
    off_target = sum(cell.excess is not None for cell in cells)
    fewest = fewest_differences(rule.level / max(1, off_target))
    tested = [cell.excess is not None and cell.excess.persons >= fewest for cell in cells]
    excesses = holm([cell.excess.p if cell.excess and ok else None for cell, ok in zip(cells, tested, strict=True)])
    agreeing = holm([_p_of_change(cell) if ok else None for cell, ok in zip(cells, tested, strict=True)])
    level = rule.level / max(1, sum(tested))
    judged = []
    for place, cell in enumerate(cells):
        verdict = None
        if not cell.on_target:
            p_values = [p for p in (excesses[place], agreeing[place]) if p is not None]
            verdict = judge(_evidence(cell, max(p_values, default=None), fewest=fewest, level=level, rule=rule), rule)
        judged.append(replace(cell, p_change_holm=changes[place], verdict=verdict))
    return judged


def _p_of_change(cell: StressCell) -> float | None:
    """Return the p-value that must agree with that of the excess: of the change beyond the sham, where there is one."""
    return cell.p_change if cell.p_beyond is None else cell.p_beyond


def _evidence(cell: StressCell, p: float | None, *, fewest: int, level: float, rule: Rule) -> Evidence:
    """Return what a verdict on an off-target cell is drawn from.

    Args:
        cell: without a verdict.
        p: the larger of the corrected p-values; None where the cell is not tested.
        fewest: persons that a test over so many cells needs.
        level: of Holm's hardest step.
        rule: of the verdict.
    """
    region, excess = f"{cell.added} -> {cell.predicted}", cell.excess
    if excess is None:
        return Evidence(region, None, reason=cell.reason or "no image has a sham edit")
    if p is None:
        too_few = f"{excess.persons} persons: a test over so many cells needs {fewest}"
        return Evidence(region, excess.mean.value, reason=too_few)
    missing = [excess.missing, NO_SHAM if cell.p_beyond is None else ""]
    if cell.reaction is not None and cell.reaction < rule.margin:
        missing.append(f"the model hardly reacts to {cell.predicted} itself ({cell.reaction:.1f} points)")
    return Evidence(
        region,
        excess.mean.value,
        excess.mean.low,
        excess.mean.high,
        p,
        smallest_excess(excess.error, excess.persons, level=level, margin=rule.margin),
        missing=" and ".join(filter(None, missing)),
    )
