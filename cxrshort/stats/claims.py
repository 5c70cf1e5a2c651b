"""The probability that the claim "the first is better" is false, given the data (Christodoulou et al. 2025).

A p-value answers how often equal models would differ so much; a reader wants to know how likely the claim is wrong.
With a flat prior that is the posterior probability that the first model is not better than the second. At 0.5 the data
say nothing, above 0.5 they speak for the second.

What would invalidate the numbers:

- A model chosen as the best of many, or after looking at this test set: the flat prior then favours the winner.
- One seed each. The probability then speaks of two files, not of two methods; :class:`FalseClaim` says so.
- Several images of one person without person ids.
- Decisions at thresholds that were chosen on the test set.

Sources: Christodoulou et al., arXiv:2505.04720 (2025): the closed form for right and wrong decisions, and the t form
for paired scores. The form for AUCs is ours: their normal approximation with Obuchowski's variance of the paired
difference plus the variance over seeds; that for groups of replicates is Welch's t, Biometrika 34:28 (1947). The
effective number of images for repeated persons is that of Korn & Graubard, Surv. Methodol. 24:193 (1998).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import beta, norm, t

from cxrshort.errors import DataError
from cxrshort.quantities import quantity
from cxrshort.stats.auc import auc_covariance
from cxrshort.stats.changes import mean_by_person
from cxrshort.stats.midranks import Floats, Integers, check_rows, number_persons

ONE_SEED = "one seed each: the variance over seeds is unknown, so this is of two models, not of two methods"


@dataclass(frozen=True, slots=True)
class FalseClaim:
    """Hold how doubtful it is that the first is better than the second.

    Args:
        probability: that the claim "the first is better" is false, in [0, 1].
        difference: first minus second, on the scale of the measure.
        standard_error: of the difference; None for the closed form, which needs none.
        method: how the probability was computed.
        caution: what makes it too small; "" when nothing is known to.
    """

    probability: float
    difference: float
    standard_error: float | None
    method: str
    caution: str = ""


def false_claim_of_counts(first_only: float, second_only: float) -> float:
    """Return the probability that the first is not right more often than the second.

    Each discordant image is right for the first with an unknown chance q; with a flat prior q is Beta(x1 + 1, x2 + 1)
    and the claim is false where q is below 0.5.

    Args:
        first_only: images that the first alone has right, at least 0; not whole where images are repeated.
        second_only: images that the second alone has right.

    Raises:
        DataError: a negative count.

    Example:
        >>> round(false_claim_of_counts(14, 10), 2), round(false_claim_of_counts(70, 50), 3)
        (0.21, 0.034)
    """
    if not min(first_only, second_only) >= 0:
        raise DataError(f"{first_only:g} and {second_only:g} discordant images: a count is not negative")
    return float(beta.cdf(0.5, first_only + 1, second_only + 1))


def false_claim_of_rates(first: float, second: float, *, both: float, images: int) -> float:
    """Return the same from published accuracies.

    Args:
        first: accuracy of the first model.
        second: accuracy of the second model.
        both: share of images that both have right; where a paper does not say, try the smallest and the largest
            possible one, max(0, first + second - 1) and the smaller accuracy.
        images: independent images in the test set.

    Raises:
        DataError: rates that contradict each other.

    Example:
        >>> round(false_claim_of_rates(0.82, 0.80, both=0.75, images=200), 2)
        0.21
    """
    least, most = max(0.0, first + second - 1), min(first, second)
    if not (least - 1e-9 <= both <= most + 1e-9 and max(first, second) <= 1):
        raise DataError(
            f'share "{both:g}" that both have right is not possible with accuracies of {first:g} and {second:g}: it '
            f"lies between {least:g} and {most:g}"
        )
    counts = (max(0.0, images * (accuracy - both)) for accuracy in (first, second))
    return false_claim_of_counts(*counts)


def false_claim_of_decisions(first: ArrayLike, second: ArrayLike, *, clusters: ArrayLike | None = None) -> FalseClaim:
    """Return how doubtful it is that the first decides right more often, from both models' hits on the same images.

    Where persons repeat, the discordant counts are divided by the design effect: the variance of the difference of
    accuracies by persons over that of independent images, at least 1.

    Args:
        first: (N,) whether the first is right.
        second: (N,) whether the second is right on the same image.
        clusters: (N,) person ids; None where every image is a person of its own.

    Raises:
        DataError: lengths that differ, no image, values other than true and false, or a row without a person.

    Example:
        >>> claim = false_claim_of_decisions([1, 1, 1, 0, 1], [0, 1, 0, 0, 1])
        >>> f"{claim.difference:.1f}, false with a probability of {claim.probability:.3f}"
        '0.4, false with a probability of 0.125'
    """
    hits = [np.asarray(values, np.float64) for values in (first, second)]
    if hits[0].ndim != 1 or hits[0].shape != hits[1].shape or not hits[0].size:
        raise DataError(f"{hits[0].size} and {hits[1].size} decisions: they must be as many, and at least one")
    if wrong := sum(int((~np.isin(values, (0, 1))).sum()) for values in hits):
        raise DataError(f"{wrong} decisions are neither right nor wrong: each must be 0 or 1")
    differences = hits[0] - hits[1]
    codes = np.arange(len(differences)) if clusters is None else number_persons(clusters, len(differences))
    effect = design_effect(differences, np.unique(codes, return_inverse=True)[1])
    counts = (float((differences == sign).sum()) / effect for sign in (1, -1))
    method = "Beta posterior of discordant images" + (f", design effect {effect:.2f}" if effect > 1.005 else "")
    return FalseClaim(false_claim_of_counts(*counts), float(differences.mean()), None, method, ONE_SEED)


def design_effect(values: Floats, codes: Integers) -> float:
    """Return by how much repeated persons multiply the variance of a mean, at least 1.

    Args:
        values: (N,) one per image.
        codes: (N,) person numbers from 0, all in use.

    Returns:
        Images per person where all values are alike, since nothing shows that images of a person differ.

    Example:
        >>> round(design_effect(np.array([1.0, 1.0, 0.0, 0.0, 0.0, 0.0]), np.array([0, 0, 1, 1, 2, 2])), 6)
        2.5
    """
    images, persons = len(values), int(codes.max(initial=-1)) + 1
    residuals = values - values.mean()
    independent = float((residuals**2).sum()) * images / max(images - 1, 1)
    if independent <= 0 or persons < 2:
        return images / max(persons, 1)
    clustered = float((np.bincount(codes, weights=residuals) ** 2).sum()) * persons / (persons - 1)
    return max(1.0, clustered / independent)


def false_claim_of_difference(
    difference: float,
    *,
    standard_error: float,
    seed_deviations: tuple[float, float] = (0.0, 0.0),
    replicates: tuple[int, int] = (1, 1),
) -> FalseClaim:
    """Return how doubtful a difference of AUCs is, from numbers as papers print them.

    The normal form: Phi(-difference / SE), SE**2 = standard_error**2 + d1**2 / k1 + d2**2 / k2.

    Args:
        difference: mean AUC of the first minus that of the second.
        standard_error: of the difference on these images, from a paired test.
        seed_deviations: standard deviations of the AUC over seeds, of the first and the second; 0 where unknown.
        replicates: seeds that each mean is of.

    Raises:
        DataError: a negative or not finite number, or a mean of no seed.

    Example:
        >>> claim = false_claim_of_difference(0.02, standard_error=0.01, seed_deviations=(0.01, 0.01))
        >>> round(claim.probability, 3)
        0.124
    """
    numbers = (standard_error, *seed_deviations)
    if not (math.isfinite(difference) and all(0 <= number < math.inf for number in numbers)) or min(replicates) < 1:
        raise DataError(
            f'difference "{difference:g}", standard error "{standard_error:g}", deviations "{seed_deviations}" and '
            f'replicates "{replicates}": errors are finite and not negative, replicates at least one'
        )
    seeds = sum(deviation**2 / count for deviation, count in zip(seed_deviations, replicates, strict=True))
    error = math.sqrt(standard_error**2 + seeds)
    caution = "" if any(seed_deviations) else ONE_SEED
    probability = float(norm.cdf(-_ratio(difference, error)))
    return FalseClaim(probability, difference, error, "normal form", caution)


def _ratio(difference: float, error: float) -> float:
    if error > 0:
        return difference / error
    return math.copysign(math.inf, difference) if difference else 0.0


def false_claim_of_aucs(
    targets: ArrayLike, *, first: ArrayLike, second: ArrayLike, clusters: ArrayLike | None = None
) -> FalseClaim:
    """Return how doubtful it is that the first method has the larger AUC, from scores of one or more seeds each.

    As :func:`false_claim_of_difference`, with Student's t and Satterthwaite's degrees of freedom, since the variances
    over seeds and over the persons of the smaller class are estimated from few. The variance over seeds holds a part of
    the sampling of images, which the standard error holds already: the probability is on the safe side.

    Args:
        targets: (N,) truth; rows that are not exactly 0 or 1 are left out.
        first: (N,) or (N, k1) scores, a column per seed.
        second: (N,) or (N, k2) scores of the same images.
        clusters: (N,) person ids; None where every image is a person of its own.

    Raises:
        DataError: one class, fewer than two persons in a class, NaN scores, lengths that differ.

    Example:
        >>> targets, worse, better = [0, 0, 0, 1, 1, 1], [1, 4, 5, 2, 3, 6], [1, 2, 4, 3, 5, 6]
        >>> claim = false_claim_of_aucs(targets, first=better, second=worse)
        >>> f"{claim.difference:.3f}, false with a probability of {claim.probability:.3f}"
        '0.333, false with a probability of 0.173'
    """
    tables = [np.asarray(scores, np.float64) for scores in (first, second)]
    tables = [table[:, None] if table.ndim == 1 else table for table in tables]
    if len(tables[0]) != len(tables[1]):
        raise DataError(f"{len(tables[0]):,} and {quantity(len(tables[1]), 'row')} of scores: they must be as many")
    counts = [table.shape[1] for table in tables]
    aucs, covariance = auc_covariance(targets, np.concatenate(tables, axis=1), clusters)
    contrast = np.repeat([1 / counts[0], -1 / counts[1]], counts)
    difference, images = float(contrast @ aucs), max(0.0, float(contrast @ covariance @ contrast))
    groups = (aucs[: counts[0]], aucs[counts[0] :])
    seeds = [float(np.var(group, ddof=1)) / len(group) if len(group) > 1 else 0.0 for group in groups]
    persons = min(check_rows(targets, tables[0], clusters).persons_by_class)
    parts = zip((images, *seeds), (persons, *counts), strict=True)
    squares = sum(part**2 / (count - 1) for part, count in parts if part > 0)
    total = images + sum(seeds)
    freedom = total**2 / squares if squares > 0 else math.inf
    probability = float(t.cdf(-_ratio(difference, math.sqrt(total)), freedom))
    method = f"normal form, {counts[0]} and {counts[1]} seeds"
    return FalseClaim(probability, difference, math.sqrt(total), method, _caution(counts))


def _caution(counts: list[int]) -> str:
    if max(counts) == 1:
        return ONE_SEED
    return "one seed of one method: its variance over seeds is unknown and not counted" if min(counts) == 1 else ""


def false_claim_of_groups(first: ArrayLike, second: ArrayLike) -> FalseClaim:
    """Return how doubtful it is that replicates of the first method are better on average.

    Student's t with Welch's degrees of freedom. The replicates' test images count only as far as they differ.

    Args:
        first: (m,) the measure of each replicate of the first method, larger is better.
        second: (n,) that of the second method; as many or another number.

    Raises:
        DataError: fewer than two replicates of a method, or a number that is not finite.

    Example:
        >>> round(false_claim_of_groups([0.74, 0.76, 0.78], [0.70, 0.73, 0.76]).probability, 3)
        0.116
    """
    groups = [np.asarray(values, np.float64).ravel() for values in (first, second)]
    counts = [len(group) for group in groups]
    if min(counts) < 2:
        raise DataError(f"{counts[0]} and {counts[1]} replicates: their spread needs two of each", "train more of them")
    if wrong := sum(int((~np.isfinite(group)).sum()) for group in groups):
        raise DataError(f"{wrong} of {sum(counts)} numbers are not finite: each replicate needs one")
    parts = [float(group.var(ddof=1)) / len(group) for group in groups]
    difference, variance = float(groups[0].mean() - groups[1].mean()), sum(parts)
    squares = sum(part**2 / (count - 1) for part, count in zip(parts, counts, strict=True))
    freedom = variance**2 / squares if squares > 0 else math.inf
    probability = float(t.cdf(-_ratio(difference, math.sqrt(variance)), freedom))
    method = f"t with {freedom:.1f} degrees of freedom, {counts[0]} and {counts[1]} replicates"
    caution = "test images that all replicates share are not counted"
    return FalseClaim(probability, difference, math.sqrt(variance), method, caution)


def false_claim_of_pairs(first: ArrayLike, second: ArrayLike, *, clusters: ArrayLike | None = None) -> FalseClaim:
    """Return how doubtful it is that the first has the larger mean of a measure per image, such as a Dice coefficient.

    Student's t with n - 1 degrees of freedom at -sqrt(n) mean / SD of the differences; a person's images are averaged.

    Args:
        first: (N,) the measure of the first model on each image, larger is better.
        second: (N,) that of the second model on the same images.
        clusters: (N,) person ids; None where every image is a person of its own.

    Raises:
        DataError: lengths that differ, numbers that are not finite, fewer than two persons, a row without a person.

    Example:
        >>> round(false_claim_of_pairs([0.9, 0.8, 0.85, 0.7], [0.8, 0.8, 0.8, 0.6]).probability, 4)
        0.0398
    """
    values = [np.asarray(column, np.float64) for column in (first, second)]
    if values[0].ndim != 1 or values[0].shape != values[1].shape:
        raise DataError(f"{values[0].size} and {values[1].size} numbers: they must be as many")
    differences = values[0] - values[1]
    if wrong := int((~np.isfinite(differences)).sum()):
        raise DataError(f"{wrong} of {len(differences)} differences are not finite: each must be a number")
    if clusters is not None:
        differences = mean_by_person(differences, number_persons(clusters, len(differences)))
    count = len(differences)
    if count < 2:
        raise DataError(
            f"{quantity(count, 'person')}: a claim about a mean needs at least two", "use a larger test set"
        )
    difference, error = float(differences.mean()), float(differences.std(ddof=1)) / math.sqrt(count)
    probability = float(t.cdf(-_ratio(difference, error), count - 1))
    return FalseClaim(probability, difference, error, f"t with {count - 1} degrees of freedom", ONE_SEED)
