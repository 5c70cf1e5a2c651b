"""How often 95 % intervals hold the truth: every kind that ``cxrshort stats`` prints, over sizes, classes and persons.

    python tests/studies/interval_coverage.py [--out FILE] [--runs N] [--shard 1/2]

Persons have one image each, or one to five that share 60 % of their variance. A person is ill with the prevalence as
probability, and has the scores of a normal distribution that is shifted in the ill; the probability that follows from a
score is known, and so are AUC, sensitivity, calibration and net benefit. Medians are of a skewed distribution. Samples
with fewer than two persons in a class are drawn again. Each cell is a size, a share of positives and an AUC; a line
states the lowest and the highest coverage over them and how often there was no interval.

A thousand runs of a cell have a standard error of 0.7 points; cells of 1,000 persons have half of the runs, and of
10,000 a fifth. It takes three quarters of an hour on one core. Hard cases of single AUCs (ties, both classes in a
person, other variances), average precisions and gaps have studies of their own: ``auc_coverage.py``,
``curve_area_coverage.py``, ``gaps.py``.
"""

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, ndtr, ndtri

from cxrshort.stats.auc import auc_interval, compare_paired
from cxrshort.stats.bootstrap import bootstrap_aucs, percentile_interval
from cxrshort.stats.calibration import calibration
from cxrshort.stats.changes import median_interval
from cxrshort.stats.confusion import confusion_matrix, confusion_scores
from cxrshort.stats.decision_curves import decision_curve
from cxrshort.stats.midranks import Sample
from cxrshort.stats.operating_points import operating_point
from cxrshort.stats.paired_differences import median_limits
from cxrshort.stats.rank_correlation import rank_correlation

Floats = npt.NDArray[np.float64]
Limits = Mapping[str, tuple[float | None, float | None, float]]
"""Lower limit, upper limit and truth by name."""

SHARED = 0.6
SIZES = (50, 200, 1000, 10_000)
SHARES = (0.05, 0.1, 0.3, 0.5)
AUCS = (0.5, 0.7, 0.9, 0.99)
MOST_IMAGES = (1, 5)
WORSE = 0.5
"""How much of the first model's shift the second one has."""
TREATED = 0.2
"""The probability from which on patients are treated."""


@dataclass(frozen=True)
class Cell:
    """Hold one situation."""

    persons: int
    prevalence: float
    auc: float
    most_images: int

    @property
    def shift(self) -> float:
        """Return how far the scores of the ill lie above the others, in standard deviations."""
        return float(np.sqrt(2) * ndtri(self.auc))

    @property
    def threshold(self) -> float:
        """Return the score at which a quarter of the healthy is called ill."""
        return float(ndtri(0.75))


@dataclass(frozen=True)
class Test:
    """Hold one test set: targets, scores of two models, probabilities by the first, persons."""

    targets: npt.NDArray[np.bool_]
    scores: Floats
    others: Floats
    probabilities: Floats
    persons: npt.NDArray[np.int64]


def draw(cell: Cell, rng: np.random.Generator) -> Test:
    """Draw one test set."""
    while True:
        ill = rng.random(cell.persons) < cell.prevalence
        if 2 <= ill.sum() <= cell.persons - 2:
            break
    persons = np.repeat(np.arange(cell.persons), rng.integers(1, cell.most_images + 1, cell.persons))
    noise = [_noise(persons, cell.persons, rng) for _ in range(2)]
    targets = ill[persons]
    scores = cell.shift * targets + noise[0]
    others = WORSE * cell.shift * targets + SHARED * noise[0] + np.sqrt(1 - SHARED**2) * noise[1]
    prior = np.log(cell.prevalence / (1 - cell.prevalence))
    probabilities = expit(prior + cell.shift * scores - cell.shift**2 / 2)
    return Test(targets, scores, others, probabilities, persons)


def _noise(persons: npt.NDArray[np.int64], count: int, rng: np.random.Generator) -> Floats:
    shared: Floats = np.sqrt(SHARED) * rng.normal(size=count)[persons]
    return shared + np.sqrt(1 - SHARED) * rng.normal(size=len(persons))


def paired_difference(cell: Cell, test: Test, rng: np.random.Generator) -> Limits:
    """Return the intervals of the difference of two models, by formula and by resampling."""
    true = float(ndtr(WORSE * cell.shift / np.sqrt(2))) - cell.auc
    paired = compare_paired(test.targets, before=test.scores, after=test.others, clusters=test.persons)
    limits: dict[str, tuple[float | None, float | None, float]] = {
        "AUC difference, formula": (paired.low, paired.high, true)
    }
    if cell.persons <= 1000 and cell.prevalence in (0.1, 0.3) and cell.auc in (0.7, 0.9):
        samples = [Sample(test.targets, scores, test.persons) for scores in (test.scores, test.others)]
        drawn = bootstrap_aucs(samples, draws=500, rng=rng).aucs
        limits["AUC difference, resampled"] = (*percentile_interval(drawn[:, 1] - drawn[:, 0]), true)
    return limits


def single_auc(cell: Cell, test: Test, rng: np.random.Generator) -> Limits:
    """Return the interval of an AUC."""
    del rng
    area = auc_interval(test.targets, test.scores, test.persons)
    return {"AUC": (area.low, area.high, cell.auc)}


def rates(cell: Cell, test: Test, rng: np.random.Generator) -> Limits:
    """Return the intervals of rates at a threshold."""
    del rng
    sensitivity, specificity = float(ndtr(cell.shift - cell.threshold)), float(ndtr(cell.threshold))
    hits, alarms = cell.prevalence * sensitivity, (1 - cell.prevalence) * (1 - specificity)
    misses, cleared = cell.prevalence * (1 - sensitivity), (1 - cell.prevalence) * specificity
    truths = {
        "sensitivity": sensitivity,
        "specificity": specificity,
        "ppv": hits / (hits + alarms),
        "npv": cleared / (cleared + misses),
    }
    point = operating_point(test.targets, test.scores, test.persons, threshold=cell.threshold)
    named = {name: getattr(point, name) for name in truths}
    return {name: (found.low, found.high, truths[name]) for name, found in named.items() if found is not None}


def benefit(cell: Cell, test: Test, rng: np.random.Generator) -> Limits:
    """Return the interval of the net benefit."""
    del rng
    if cell.shift == 0:
        return {}
    prior = np.log(cell.prevalence / (1 - cell.prevalence))
    cut = float((np.log(TREATED / (1 - TREATED)) - prior + cell.shift**2 / 2) / cell.shift)
    odds = TREATED / (1 - TREATED)
    true = cell.prevalence * ndtr(cell.shift - cut) - odds * (1 - cell.prevalence) * ndtr(-cut)
    found = decision_curve(test.targets, test.probabilities, test.persons, thresholds=[TREATED])[0].net_benefit
    return {"net benefit": (found.low, found.high, float(true))}


def calibrations(cell: Cell, test: Test, rng: np.random.Generator) -> Limits:
    """Return the intervals of calibration slope, intercept and observed:expected of calibrated probabilities."""
    found = calibration(test.targets, test.probabilities, test.persons, rng=rng, draws=200)
    limits: dict[str, tuple[float | None, float | None, float]] = {
        "calibration intercept": (found.intercept.low, found.intercept.high, 0.0),
        "observed:expected": (found.observed_to_expected.low, found.observed_to_expected.high, 1.0),
        "Brier score": (found.brier.score.low, found.brier.score.high, _brier(cell)),
    }
    if cell.shift:
        slope = found.slope
        limits["calibration slope"] = (slope.low, slope.high, 1.0) if slope is not None else (None, None, 1.0)
    return limits


def _brier(cell: Cell) -> float:
    """Return the Brier score of the population: the mean of p(1 - p)."""
    grid = np.linspace(-9, 9 + cell.shift, 20_001)
    density = np.exp(-(grid**2) / 2) * (1 - cell.prevalence) + np.exp(-((grid - cell.shift) ** 2) / 2) * cell.prevalence
    prior = np.log(cell.prevalence / (1 - cell.prevalence))
    p = expit(prior + cell.shift * grid - cell.shift**2 / 2)
    return float(np.sum(density * p * (1 - p)) / density.sum())


def medians(cell: Cell, test: Test, rng: np.random.Generator) -> Limits:
    """Return the intervals of the median of a skewed distribution, over images and over persons."""
    if cell.persons > 1000 or not _is_even(cell):
        return {}
    values = np.exp(test.scores - cell.shift * test.targets)
    limits: dict[str, tuple[float | None, float | None, float]] = {}
    found = median_interval(values, test.persons, rng=rng)
    limits["median over images"] = (found.low, found.high, 1.0)
    if cell.most_images == 1:
        few = median_limits(values)
        limits["median over persons"] = (*(few or (None, None)), 1.0)
    return limits


def _is_even(cell: Cell) -> bool:
    """Return whether this is the one situation in which what does not look at classes is measured."""
    return cell.prevalence == max(SHARES) and cell.auc == min(AUCS)


def correlations(cell: Cell, test: Test, rng: np.random.Generator) -> Limits:
    """Return the interval of Spearman's rho between the scores of two models among the healthy."""
    if cell.persons > 200 or not _is_even(cell):
        return {}
    healthy = ~test.targets
    found = rank_correlation(test.scores[healthy], test.others[healthy], test.persons[healthy], rng=rng)
    true = 6 / np.pi * np.arcsin(SHARED / 2)
    return {"Spearman's rho": (found.low, found.high, float(true))}


def credible(cell: Cell, test: Test, rng: np.random.Generator) -> Limits:
    """Return the credible interval of the F1 score of the ill, one image a person."""
    if cell.most_images > 1:
        return {}
    decisions = (test.scores >= cell.threshold).astype(int)
    counts = confusion_matrix(test.targets.astype(int), decisions, classes=2)
    found = confusion_scores(counts, rng=rng, draws=2000).classes[1].f1
    sensitivity, alarms = float(ndtr(cell.shift - cell.threshold)), float(ndtr(-cell.threshold))
    hits = cell.prevalence * sensitivity
    true = 2 * hits / (hits + cell.prevalence + (1 - cell.prevalence) * alarms)
    return {"F1, credible": (found.low, found.high, true)}


STATISTICS: tuple[Callable[[Cell, Test, np.random.Generator], Limits], ...] = (
    single_auc, paired_difference, rates, benefit, calibrations, medians, correlations, credible,
)  # fmt: skip


def cells() -> Iterator[Cell]:
    """Yield every situation, the small ones first."""
    for persons, share, area, images in itertools.product(SIZES, SHARES, AUCS, MOST_IMAGES):
        yield Cell(persons, share, area, images)


def runs_of(cell: Cell, runs: int) -> int:
    """Return how often a situation is drawn."""
    return runs // {1000: 2, 10_000: 5}.get(cell.persons, 1)


def measure(cell: Cell, runs: int, seed: int, *, only: str = "") -> dict[str, tuple[float, float, int]]:
    """Return the coverage of each interval, how often there was none (both in percent), and the runs."""
    statistics = [statistic for statistic in STATISTICS if only in ("", statistic.__name__)]
    rng = np.random.default_rng(seed)
    held: dict[str, list[bool | None]] = {}
    for _ in range(runs_of(cell, runs)):
        test = draw(cell, rng)
        for statistic in statistics:
            for name, (low, high, true) in statistic(cell, test, rng).items():
                has_limits = low is not None and high is not None and not (np.isnan(low) or np.isnan(high))
                held.setdefault(name, []).append(bool(low <= true <= high) if has_limits else None)  # type: ignore[operator]
    shares = {}
    for name, answers in held.items():
        given = [answer for answer in answers if answer is not None]
        shares[name] = (
            100 * float(np.mean(given)) if given else float("nan"),
            100 - 100 * len(given) / len(answers),
            len(given),
        )
    return shares


def show(line: str) -> None:
    """Write a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def show_table(table: pd.DataFrame) -> None:
    """Print the lowest, middle and highest coverage of each statistic over the situations of a size."""
    show("| interval | persons | images each | lowest | at (positive, AUC) | median | highest | none |")
    show("|---|---|---|---|---|---|---|---|")
    for (name, persons, images), part in table.groupby(["statistic", "persons", "most_images"], sort=False):
        judged = part.dropna(subset=["covers"])
        if judged.empty:
            continue
        worst = judged.loc[judged["covers"].idxmin()]
        show(
            f"| {name} | {persons:,} | {'1' if images == 1 else f'1-{images}'} | {worst['covers']:.1f} | "
            f"{worst['prevalence']:.0%}, {worst['auc']:g} | {judged['covers'].median():.1f} | "
            f"{judged['covers'].max():.1f} | {part['none'].mean():.0f} % |"
        )


def main() -> None:
    """Measure what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("interval-coverage.csv"))
    parser.add_argument("--runs", type=int, default=1000)
    names = [statistic.__name__ for statistic in STATISTICS]
    parser.add_argument("--only", choices=names, default="", help="measure one kind of interval")
    parser.add_argument("--shard", default="1/1", help="2/2: every second situation from the second on")
    arguments = parser.parse_args()
    number, count = map(int, arguments.shard.split("/"))
    columns = ["persons", "prevalence", "auc", "most_images", "statistic", "covers", "none", "intervals"]
    path = arguments.out
    table = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=columns)
    done = set(zip(*(table[name] for name in columns[:4]), strict=True))
    for seed, cell in enumerate(cells()):
        about = asdict(cell)
        if seed % count != number - 1 or tuple(about.values()) in done:
            continue
        rows = [
            {**about, "statistic": name, "covers": covers, "none": none, "intervals": intervals}
            for name, (covers, none, intervals) in measure(cell, arguments.runs, seed, only=arguments.only).items()
        ]
        pd.DataFrame(rows, columns=columns).to_csv(path, mode="a", header=not path.exists(), index=False)
    table = pd.read_csv(path)
    show_table(table.sort_values(["statistic", "most_images", "persons"], kind="stable"))


if __name__ == "__main__":
    main()
