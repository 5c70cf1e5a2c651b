"""Average precision and partial AUC against scikit-learn; their variance against finite differences and a bootstrap."""

import numpy as np
import pytest
from sklearn import metrics

from cxrshort.errors import DataError, UsageError
from cxrshort.stats import curve_areas
from cxrshort.stats.bootstrap import resample
from cxrshort.stats.midranks import check_rows


def tied_case(seed):
    """Return targets, scores with many ties, and whole weights of which both classes have some."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(6, 50))
    targets = rng.integers(0, 2, count)
    targets[:2] = [0, 1]
    scores = rng.integers(0, int(rng.integers(2, 40)), count) + targets * rng.integers(0, 4)
    weights = rng.integers(0, 4, count).astype(float)
    weights[:2] = 1
    return targets, scores, weights, float(rng.choice([0.05, 0.1, 0.3, 0.5, 1.0]))


@pytest.mark.parametrize("seed", range(40))
def test_areas_are_those_of_scikit_learn_with_ties_and_weights(seed):
    targets, scores, weights, most = tied_case(seed)
    steps = curve_areas.Steps.of(check_rows(targets, scores))
    precision = curve_areas.average_precisions(steps, weights[None])[0]
    assert precision == pytest.approx(
        metrics.average_precision_score(targets, scores, sample_weight=weights), abs=1e-12
    )
    share = curve_areas.area_shares(steps, weights[None], most)[0]
    expected = metrics.roc_auc_score(targets, scores, max_fpr=most, sample_weight=weights)
    assert curve_areas.standardise(share, most) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_influence_is_the_derivative_by_a_weight(seed):
    targets, scores, _, _ = tied_case(seed)
    most = 0.2718  # between two steps of every curve here, where the area has a derivative
    steps = curve_areas.Steps.of(check_rows(targets, scores))
    count, size = len(targets), 1e-6
    nudges = np.ones((2 * count, count)) + size * np.concatenate([np.eye(count), -np.eye(count)])
    for values, influence in (
        (
            curve_areas.average_precisions(steps, nudges),
            curve_areas.precision_influence(steps, curve_areas.average_precisions(steps, np.ones((1, count)))[0]),
        ),
        (curve_areas.area_shares(steps, nudges, most), curve_areas.area_influence(steps, most)),
    ):
        derivative = (values[:count] - values[count:]) / (2 * size)
        assert influence == pytest.approx(derivative[steps.codes], abs=1e-6)  # central differences err by about 1e-9


@pytest.mark.parametrize(("negatives", "most"), [(20, 0.1), (30, 0.3), (40, 0.2), (7, 3 / 7)])
def test_influence_is_the_derivative_where_the_area_ends_on_a_step(negatives, most):
    """One in ten of 400 negatives is 40: without ties the limit falls on a step of nearly every curve."""
    rng = np.random.default_rng(negatives)
    end = np.sort(rng.normal(size=negatives))[::-1]
    last, after = end[round(most * negatives) - 1], end[round(most * negatives)]
    positives = rng.normal(1, 1, 15)
    positives = positives[(positives > last) | (positives < after)]  # no jump at the limit: there is a derivative
    targets, scores = np.repeat([1, 0], [len(positives), negatives]), np.append(positives, end)
    steps = curve_areas.Steps.of(check_rows(targets, scores))
    count, size = len(targets), 1e-6
    nudges = np.ones((2 * count, count)) + size * np.concatenate([np.eye(count), -np.eye(count)])
    values = curve_areas.area_shares(steps, nudges, most)
    derivative = (values[:count] - values[count:]) / (2 * size)
    assert curve_areas.area_influence(steps, most) == pytest.approx(derivative[steps.codes], abs=1e-6)


def clustered(seed, persons=300, images=3):
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(persons), images)
    targets = (rng.random(persons) < 0.3)[person]
    scores = 1.2 * targets + rng.normal(size=persons)[person] + rng.normal(size=len(person))
    return targets, scores, person


def test_intervals_of_many_persons_are_those_of_a_bootstrap_by_person():
    targets, scores, person = clustered(3)
    steps = curve_areas.Steps.of(check_rows(targets, scores, person))
    areas = (
        curve_areas.average_precision(targets, scores, person),
        curve_areas.partial_auc(targets, scores, person, most=0.2),
    )
    drawn = resample(
        lambda weights: np.stack(
            [
                curve_areas.average_precisions(steps, weights),
                curve_areas.standardise(curve_areas.area_shares(steps, weights, 0.2), 0.2),
            ],
            axis=1,
        ),
        strata=np.zeros(300, np.int64),
        draws=2000,
        rng=np.random.default_rng(0),
        largest=900,
    ).values
    for area, values in zip(areas, drawn.T, strict=True):
        # The width of 4 standard errors, of 2,000 draws known to 2 %, against a logit interval with a t quantile.
        assert area.high - area.low == pytest.approx(2 * 1.99 * values.std(), rel=0.08)
        assert area.low < area.value < area.high


def test_repeated_persons_widen_the_interval():
    targets, scores, person = clustered(4)
    alone = curve_areas.average_precision(targets, scores)
    together = curve_areas.average_precision(targets, scores, person)
    assert together.value == alone.value
    assert together.high - together.low > 1.2 * (alone.high - alone.low)


def test_order_of_rows_and_infinite_scores_change_nothing():
    targets, scores = [0, 1, 0, 1, 1, 0], [0.1, np.inf, 0.3, np.inf, 0.2, -np.inf]
    area = curve_areas.average_precision(targets, scores)
    assert curve_areas.average_precision(targets[::-1], scores[::-1]).value == area.value
    assert area.value == metrics.average_precision_score(targets, [1, 9, 3, 9, 2, 0])


@pytest.mark.parametrize(
    ("targets", "scores", "reason"),
    [
        ([0, 0, 0], [1, 2, 3], "only negatives"),
        ([1, 1, 1], [1, 2, 3], "only positives"),
        ([0, 0, 1], [1, 2, 3], "only 1 positive"),
        ([0, 0, 1, 1], [1, 2, 3, 4], "perfect separation"),
        ([0, 0, 1, 1], [1, 1, 1, 1], "no spread of scores"),
    ],
)
def test_what_has_no_interval_says_why(targets, scores, reason):
    area = curve_areas.partial_auc(targets, scores, most=0.5)
    assert (area.low, area.high, area.reason) == (None, None, reason)
    assert (area.value is None) == reason.startswith(("only negatives", "only positives"))


@pytest.mark.parametrize("most", [0.05, 0.1, 0.2, 0.3])
def test_perfect_separation_has_no_limits_whatever_the_rounding(most):
    """60 steps of 1/60 up to 0.3 add up to 0.9999999999999999 of the largest area."""
    for count in range(2, 124):
        area = curve_areas.partial_auc(np.repeat([0, 1], count), np.arange(2 * count), most=most)
        assert area.value == pytest.approx(1, abs=1e-12)
        assert (area.low, area.high, area.reason) == (None, None, "perfect separation")


def test_chance_is_the_prevalence_and_a_half():
    targets, scores, person = clustered(5)
    assert curve_areas.average_precision(targets, scores, person).floor == pytest.approx(targets.mean())
    assert curve_areas.partial_auc(targets, scores, person, most=0.1).floor == 0.5


def test_few_persons_are_said():
    targets = [1] * 14 + [0] * 40
    scores = np.random.default_rng(0).normal(size=54)
    assert curve_areas.average_precision(targets, scores).caution == "only 14 persons in the smaller class"
    assert curve_areas.average_precision([1, *targets], [0.3, *scores]).caution == ""


@pytest.mark.parametrize("most", [0.0, 1.5])
def test_rate_out_of_range_is_refused(most):
    with pytest.raises(UsageError, match=rf'false positive rate "{most:g}" is not in \(0, 1\]'):
        curve_areas.partial_auc([0, 1], [1, 2], most=most)


def test_scores_that_are_no_numbers_are_refused():
    with pytest.raises(DataError, match="1 of 2 scores are NaN"):
        curve_areas.average_precision([0, 1], [1, np.nan])
