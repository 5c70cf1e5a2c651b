"""Scores with the decisions that one threshold makes of them: what groups are judged by.

What would invalidate every rate: a threshold chosen on the images that it is judged on, or one for each group.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.midranks import Floats, is_exact
from cxrshort.stats.operating_points import youden_threshold
from cxrshort.stats.subgroups import ScoredRows
from cxrshort.verbs.stats.probabilities import ScoreScale, scale_notes, score_scale
from cxrshort.verbs.stats.scores import Scores, ScoreTable, read_scores
from cxrshort.verbs.stats.source import Source
from cxrshort.verbs.stats.validation import identity_columns, read_validation

DEFAULT = 0.5
_LARGEST_LOGIT = 50.0
"""Log-odds beyond which a probability is 0 or 1 to float64."""


@dataclass(frozen=True, slots=True)
class DecisionOptions:
    """Hold what the user says of scores and threshold.

    Args:
        target: the column of targets; None for the labels of predictions.
        score: the column of scores; None for the logits of predictions.
        person: the column of persons; None for ``person_id``, if there is one.
        label: one label of predictions; None for all.
        logits: whether ``score`` holds logits.
        threshold: the probability from which on an image is called positive; None for 0.5.
        validation: a table on which it is chosen instead; None for none.
    """

    target: str | None = None
    score: str | None = None
    person: str | None = None
    label: str | None = None
    logits: bool = False
    threshold: float | None = None
    validation: str | None = None

    def record(self) -> dict[str, object]:
        """Return them by the names of the command line."""
        names = ("target", "score", "person", "label", "logits", "threshold")
        return {**{name: getattr(self, name) for name in names}, "val": self.validation}


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """Hold one label of one model on one test set.

    Args:
        part: the rows with an exact target, as they were read.
        rows: what statistics take of them.
        probability: from which on an image is called positive; None where the scores are no probabilities.
    """

    part: Scores
    rows: ScoredRows
    probability: float | None

    @property
    def facts(self) -> Mapping[str, object]:
        """Return label, and of predictions training, dataset, role and replicate."""
        return self.part.facts


@dataclass(frozen=True, slots=True, eq=False)
class DecisionTable:
    """Hold all decisions of a table.

    Args:
        scores: as they were read.
        parts: one for each label, model and test set.
        notes: caveats of scores and thresholds.
    """

    scores: ScoreTable
    parts: list[Decisions]
    notes: list[str]


def read_decisions(source: Source, options: DecisionOptions, *, columns: Sequence[str] = ()) -> DecisionTable:
    """Read scores and decide at the threshold.

    Args:
        source: the table.
        options: what the user says of it.
        columns: further columns to be read, as text.

    Raises:
        DataError: the table of scores, or that of validation images, breaks a rule.
        UsageError: options that exclude each other, or a threshold that is no probability.
    """
    _check_threshold(options)
    named = {"target": options.target, "score": options.score, "person": options.person, "label": options.label}
    identities = [] if options.validation is None else identity_columns(options.person)
    scores = read_scores(source, **named, columns=columns, optional=identities)
    notes = list(scores.notes)
    try:
        scale: ScoreScale | None = score_scale(scores, options.score, logits=options.logits)
        notes += scale_notes(scores, options.score, logits=options.logits)
    except DataError as error:
        if options.threshold is not None or options.validation is not None:
            raise
        scale = None
        notes.append(f"{error.message} ({error.hint}); rates at a threshold and calibration are not measured")
    if scale is None:
        return DecisionTable(scores, [_decide(part, None, None) for part in scores.parts], notes)
    thresholds = [options.threshold or DEFAULT] * len(scores.parts)
    if options.validation is not None:
        chosen = read_validation(options.validation, scores, option="--val", **named)
        thresholds = [scale.probability(youden_threshold(part.targets, part.scores)) for part in chosen.parts]
        notes += chosen.notes
    elif options.threshold is None:
        notes.append(f"one threshold for all: a probability of {DEFAULT:g}; --threshold states another, --val chooses")
    parts = [_decide(part, scale, at) for part, at in zip(scores.parts, thresholds, strict=True)]
    return DecisionTable(scores, parts, notes)


def _check_threshold(options: DecisionOptions) -> None:
    threshold = options.threshold
    if threshold is not None and options.validation is not None:
        raise UsageError("--val chooses the threshold that --threshold states", "give one of them")
    if threshold is not None and not 0 < threshold < 1:
        raise UsageError(f'threshold "{threshold:g}" is not between 0 and 1', "it is a probability, such as 0.5")


def _decide(part: Scores, scale: ScoreScale | None, probability: float | None) -> Decisions:
    kept = part.take(is_exact(part.targets))
    codes = np.arange(len(kept.targets)) if kept.persons is None else kept.persons
    present = np.bincount(codes, minlength=1) > 0
    codes = (np.cumsum(present) - 1)[codes]
    if scale is None or probability is None:
        return Decisions(kept, ScoredRows(kept.targets == 1, kept.scores, codes), None)
    # Compared as scores: the probability of a score may be rounded across the threshold.
    called = kept.scores >= scale.score(probability)
    logits: Floats = np.clip(scale.logits(kept.scores), -_LARGEST_LOGIT, _LARGEST_LOGIT)
    return Decisions(kept, ScoredRows(kept.targets == 1, kept.scores, codes, called, logits), probability)
