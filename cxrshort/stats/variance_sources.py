"""Where the variance of an improvement comes from: seeds, splits, their rest and test images, for one run and the mean.

What would mislead: the share of a source that was not varied. With one seed its variance is unknown, not 0, and all
shares are of what is known. Test images that each split has of its own are a part of the variance between splits: they
are shown beside it and not added to it.
"""

from dataclasses import dataclass

from cxrshort.errors import DataError
from cxrshort.stats.superiority import VarianceParts

SEEDS, SPLITS, RESIDUAL, IMAGES = "seeds", "splits", "seed x split", "test images"


@dataclass(frozen=True, slots=True)
class VarianceSource:
    """Hold one source of the variance of a difference between two methods.

    Args:
        name: "seeds", "splits", "seed x split" or "test images".
        variance: of the difference in a single run; None where it is unknown.
        of_mean: what it adds to the variance of the mean difference; None where it is unknown or part of another.
        share: of the variance of the mean difference; None where ``of_mean`` is, or where there is no variance.
        remark: why a number is missing or 0; "" where all is well.
    """

    name: str
    variance: float | None
    of_mean: float | None
    share: float | None
    remark: str = ""


def variance_sources(
    parts: VarianceParts,
    *,
    seeds: int,
    splits: int,
    test_to_train: float = 0.0,
    images_of_run: float | None = None,
) -> list[VarianceSource]:
    """Return the sources of the variance of a crossed table, in which the parts of the mean add up to its variance.

    Args:
        parts: of a table of that many seeds and splits.
        seeds: rows of the table.
        splits: columns of the table.
        test_to_train: that was given to :func:`~cxrshort.stats.superiority.variance_parts`.
        images_of_run: sampling variance of the difference on the test images of a single run; None where unknown.

    Raises:
        DataError: fewer than one seed or split.

    Example:
        >>> from cxrshort.stats.superiority import variance_parts
        >>> parts = variance_parts([[0.02, 0.04], [0.03, 0.05], [0.01, 0.03]], images=0.0001)
        >>> [f"{source.name} {source.share:.2f}" for source in variance_sources(parts, seeds=3, splits=2)]
        ['seeds 0.14', 'splits 0.43', 'seed x split 0.00', 'test images 0.43']
    """
    if min(seeds, splits) < 1:
        raise DataError(f"{seeds} seeds and {splits} splits: there is at least one of each")
    crossed = min(seeds, splits) > 1
    factors = {
        SEEDS: 1 / seeds,
        SPLITS: 1 / splits + test_to_train,
        RESIDUAL: 1 / (seeds * splits) + (test_to_train if not crossed and splits > 1 else 0.0),
    }
    variances = {SEEDS: parts.seeds, SPLITS: parts.splits, RESIDUAL: parts.residual}
    remarks = {name: "estimate below 0, set to 0" for name in parts.negative}
    if not crossed and seeds * splits > 1:
        # One dimension alone: the rest is what varied between the runs, under the name of that dimension.
        varied, fixed = (SEEDS, SPLITS) if seeds > 1 else (SPLITS, SEEDS)
        variances = {varied: parts.residual, fixed: None}
        factors[varied] = factors[RESIDUAL]
        remarks = {varied: f"holds the variance over {fixed} where it varies too"}
    sources = [
        _source(name, variance, factors[name], parts.mean, remarks.get(name, ""))
        for name, variance in sorted(variances.items(), key=lambda item: [SEEDS, SPLITS, RESIDUAL].index(item[0]))
        if crossed or name != RESIDUAL
    ]
    return [*sources, _images(parts, images_of_run)]


def _source(name: str, variance: float | None, factor: float, mean: float, remark: str) -> VarianceSource:
    if variance is None:
        return VarianceSource(name, None, None, None, "unknown: only one")
    return VarianceSource(name, variance, variance * factor, variance * factor / mean if mean > 0 else None, remark)


def _images(parts: VarianceParts, of_run: float | None) -> VarianceSource:
    if parts.images > 0:
        of_run = parts.images if of_run is None else of_run
        return VarianceSource(IMAGES, of_run, parts.images, parts.images / parts.mean)
    return VarianceSource(IMAGES, of_run, None, None, "unknown" if of_run is None else "part of the splits")
