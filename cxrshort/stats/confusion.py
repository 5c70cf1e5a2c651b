"""Scores of a confusion matrix with credible intervals, from exact draws of a Bayesian posterior.

The model of Zhang, Wang & Zhao, ICTIR 2015, 317, as appendix H of the TEA paper (Bassi et al. 2025) uses it: the class
sizes have a Dirichlet prior, the decisions within each true class another. Both are conjugate, so draws from the
posterior are independent and exact, and no Markov chain is needed.

What would invalidate the numbers:

- Several images of one person. The model takes images for independent; draw persons again instead.
- A test set composed by hand: precision, F1 and accuracy follow its class sizes, which the model takes for those of the
  population. Sensitivity, specificity and balanced accuracy do not.
- A prior that matters. With ones (all tables equally likely; what public code of that model uses) a class of 5 images
  pulls its sensitivity visibly towards 1 / K: the prior stands in the result, and the plain estimate beside the mean.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.auc import check_level
from cxrshort.stats.midranks import Floats

DRAWS = 50_000
"""Posterior draws; the Monte Carlo error of a mean is its deviation over 224."""
SMALLEST_PRIOR = 0.1
"""Below, draws of a whole column may be 0, and its precision 0/0."""

CLASS_SCORES = ("sensitivity", "specificity", "precision", "f1")


@dataclass(frozen=True, slots=True)
class Credible:
    """Hold the posterior of one score.

    Args:
        mean: posterior mean.
        deviation: posterior standard deviation, as the paper's tables print it.
        low: lower limit of the equal-tailed credible interval.
        high: upper limit.
        estimate: the score of the matrix as it stands; None where it is 0/0.
    """

    mean: float
    deviation: float
    low: float
    high: float
    estimate: float | None


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Hold the scores of one class against all others.

    Args:
        label: name of the class.
        images: of this class.
        sensitivity: share of its images that are called so; recall.
        specificity: share of the other images that are not called so.
        precision: share of images called so that are of this class.
        f1: harmonic mean of precision and sensitivity.
    """

    label: str
    images: int
    sensitivity: Credible
    specificity: Credible
    precision: Credible
    f1: Credible


@dataclass(frozen=True, slots=True)
class ConfusionScores:
    """Hold all scores of a confusion matrix.

    Args:
        classes: one per class.
        accuracy: share of images called right.
        balanced_accuracy: mean sensitivity of the classes.
        macro_specificity: mean over classes.
        macro_precision: mean over classes.
        macro_f1: mean over classes.
        images: in the matrix.
        class_prior: Dirichlet parameter of each class size.
        decision_prior: Dirichlet parameter of each decision within a class.
        draws: from the posterior.
        level: of the credible intervals.
    """

    classes: tuple[ClassScores, ...]
    accuracy: Credible
    balanced_accuracy: Credible
    macro_specificity: Credible
    macro_precision: Credible
    macro_f1: Credible
    images: int
    class_prior: float
    decision_prior: float
    draws: int
    level: float


def confusion_matrix(targets: ArrayLike, decisions: ArrayLike, *, classes: int) -> Floats:
    """Count images by true class (rows) and decision (columns).

    Args:
        targets: (N,) whole numbers from 0 to classes - 1.
        decisions: (N,) likewise.
        classes: how many there are.

    Raises:
        DataError: lengths that differ, or a number that is no class.

    Example:
        >>> confusion_matrix([0, 0, 1], [0, 1, 1], classes=2).tolist()
        [[1.0, 1.0], [0.0, 1.0]]
    """
    truth, called = (np.asarray(values, np.float64).ravel() for values in (targets, decisions))
    if len(truth) != len(called):
        raise DataError(f"{len(truth)} targets and {len(called)} decisions: they must be as many")
    wrong = [values[~np.isin(values, np.arange(classes))] for values in (truth, called)]
    if lost := len(wrong[0]) + len(wrong[1]):
        example = np.concatenate(wrong)[0]
        raise DataError(f'{lost} numbers such as "{example:g}" are no class: classes are 0 to {classes - 1}')
    counts = np.bincount((truth * classes + called).astype(np.int64), minlength=classes**2)
    return counts.astype(np.float64).reshape(classes, classes)


def confusion_scores(
    counts: ArrayLike,
    *,
    rng: np.random.Generator,
    labels: tuple[str, ...] | None = None,
    class_prior: float = 1.0,
    decision_prior: float = 1.0,
    level: float = 0.95,
    draws: int = DRAWS,
) -> ConfusionScores:
    """Compute scores of a confusion matrix with credible intervals.

    Args:
        counts: (K, K) images by true class (rows) and decision (columns), K at least 2.
        rng: draws from the posterior.
        labels: K names; numbers where None.
        class_prior: Dirichlet parameter of each class size, at least 0.1.
        decision_prior: Dirichlet parameter of each decision within a class, at least 0.1.
        level: of the credible intervals, in (0, 1).
        draws: from the posterior.

    Raises:
        DataError: a matrix that is not square, counts that are negative or not whole, no image at all.
        UsageError: a prior below 0.1, a level outside (0, 1), other names than classes.

    Example:
        >>> posterior = confusion_scores([[90, 10], [5, 15]], rng=np.random.default_rng(0))
        >>> f1 = posterior.classes[1].f1
        >>> f"{f1.estimate:.3f}: {f1.mean:.2f} [{f1.low:.2f}, {f1.high:.2f}]"
        '0.667: 0.64 [0.48, 0.79]'
    """
    check_level(level)
    table = _check(counts, labels)
    _check_priors(class_prior, decision_prior)
    sizes = rng.dirichlet(class_prior + table.sum(axis=1), draws)
    rows = np.stack([rng.dirichlet(decision_prior + row, draws) for row in table], axis=1)
    by_class = _scores(sizes[:, :, None] * rows)
    plain = _scores(table[None] / table.sum())

    names = labels or tuple(str(number) for number in range(len(table)))
    classes = tuple(
        ClassScores(
            name,
            int(table[number].sum()),
            *(_credible(by_class[score][:, number], plain[score][0, number], level) for score in CLASS_SCORES),
        )
        for number, name in enumerate(names)
    )
    macro = {
        score: _credible(by_class[score].mean(axis=1), plain[score][0].mean(), level)
        for score in ("accuracy", *CLASS_SCORES)
    }
    return ConfusionScores(
        classes,
        macro["accuracy"],
        macro["sensitivity"],
        macro["specificity"],
        macro["precision"],
        macro["f1"],
        int(table.sum()),
        class_prior,
        decision_prior,
        draws,
        level,
    )


def _credible(values: Floats, estimate: float, level: float) -> Credible:
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    shown = None if np.isnan(estimate) else float(estimate)
    return Credible(float(values.mean()), float(values.std()), float(low), float(high), shown)


def _check_priors(class_prior: float, decision_prior: float) -> None:
    for name, prior in (("class prior", class_prior), ("decision prior", decision_prior)):
        if not SMALLEST_PRIOR <= prior < np.inf:
            raise UsageError(f'{name} "{prior:g}" must be at least {SMALLEST_PRIOR:g}', "try 1")


def _check(counts: ArrayLike, labels: tuple[str, ...] | None) -> Floats:
    table = np.asarray(counts, np.float64)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or len(table) < 2:
        raise DataError(f"a confusion matrix of shape {table.shape}: it must be square, with two classes or more")
    if not (np.isfinite(table).all() and (table >= 0).all() and (table == np.floor(table)).all()):
        raise DataError("a confusion matrix with numbers that are no counts: each must be whole and not negative")
    if not table.any():
        raise DataError("an empty confusion matrix: it must count at least one image")
    if labels is not None and len(labels) != len(table):
        raise UsageError(f"{len(labels)} names for {len(table)} classes: they must be as many")
    return table


def _scores(joint: Floats) -> dict[str, Floats]:
    """Return the scores of (draws, K, K) shares of all images, each (draws, K); NaN where 0/0."""
    right = np.einsum("dkk->dk", joint)
    true, called = joint.sum(axis=2), joint.sum(axis=1)

    def ratio(part: Floats, whole: Floats) -> Floats:
        return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)

    return {
        "accuracy": right.sum(axis=1, keepdims=True),
        "sensitivity": ratio(right, true),
        # 1e-16 and the like is rounding of a sum of shares that is 1.
        "specificity": ratio(np.maximum(1 - true - called + right, 0), np.where(1 - true > 1e-12, 1 - true, 0)),
        "precision": ratio(right, called),
        "f1": ratio(2 * right, true + called),
    }
