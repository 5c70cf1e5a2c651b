"""Evaluation noise against loops, standard errors of AUCs, new test sets, and the rule of the paper."""

import numpy as np
import pytest

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.auc import auc, auc_interval
from cxrshort.stats.noise import BEYOND, OVERFIT, WITHIN, half_width, halves_noise, leaderboard_noise


def scored(rng, images=400, models=6, per_person=1):
    persons = np.arange(images) // per_person
    targets = (persons % 3 == 0).astype(int)
    shared = np.repeat(rng.normal(size=images // per_person), per_person)
    return targets, targets[:, None] + shared[:, None] + rng.normal(0, 0.5, (images, models)), persons


def leaderboard(gap=0.0, shift=0.0, spread=0.02, teams=60):
    rng = np.random.default_rng(0)
    quality = np.linspace(0.7, 0.8, teams)
    private = quality + rng.normal(0, spread / 2, teams) + shift
    private[-1] = private.max() + gap
    return quality + rng.normal(0, spread / 2, teams), private


def test_numbers_are_those_of_the_papers_code():
    public, private = leaderboard()
    noise = leaderboard_noise(public, private, rng=np.random.default_rng(0))
    d = private - public
    assert noise.shift == np.median(d)
    assert noise.noise == pytest.approx((np.percentile(d, 95) - np.percentile(d, 5)) / 2)
    assert noise.gap == pytest.approx(private.max() - np.percentile(private, 90))
    assert noise.noise_low < noise.noise < noise.noise_high and noise.shift_low < noise.shift < noise.shift_high
    assert noise.caution == ""


@pytest.mark.parametrize(
    ("options", "verdict"),
    [({}, WITHIN), ({"gap": 0.1}, BEYOND), ({"shift": -0.2}, OVERFIT), ({"shift": 0.2}, WITHIN)],
)
def test_verdicts_follow_gap_and_shift(options, verdict):
    sides = leaderboard(**options)
    assert leaderboard_noise(*sides, rng=np.random.default_rng(0)).verdict == verdict
    # Errors instead of scores: the same numbers with the other sign.
    errors = leaderboard_noise(*(1 - side for side in sides), rng=np.random.default_rng(0), lower_is_better=True)
    plain = leaderboard_noise(*sides, rng=np.random.default_rng(0))
    assert (errors.verdict, errors.gap, errors.noise) == (verdict, pytest.approx(plain.gap), pytest.approx(plain.noise))
    assert errors.best == pytest.approx(1 - plain.best)


def test_ties_have_no_gap_and_few_submissions_are_told():
    noise = leaderboard_noise([0.8, 0.8], [0.8, 0.8], rng=np.random.default_rng(0))
    assert (noise.gap, noise.noise, noise.verdict) == (0, 0, WITHIN)
    assert noise.caution == "only 2 submissions: percentiles of 20 or more are advised"


@pytest.mark.parametrize("per_person", [1, 4])
def test_halves_have_the_standard_error_of_two_test_sets(per_person):
    targets, scores, persons = scored(np.random.default_rng(0), images=800, models=3, per_person=per_person)
    noise = halves_noise(targets, scores, rng=np.random.default_rng(1), clusters=persons, splits=800)
    errors = [auc_interval(targets, column, persons).standard_error for column in scores.T]
    # 800 halves give a standard deviation to 2.5 %; persons of four images have no closed form nearer than 10 %.
    assert noise.differences.std() == pytest.approx(np.sqrt(2) * np.mean(errors), rel=0.1)
    assert noise.noise == pytest.approx(1.645 * np.sqrt(2) * np.mean(errors), rel=0.1)


def test_noise_is_what_new_test_sets_differ_by():
    rng = np.random.default_rng(2)
    differences = []
    for _ in range(600):
        pair = [scored(rng, models=1) for _ in range(2)]
        differences.append(np.subtract(*(auc(targets, scores[:, 0]) for targets, scores, _ in pair)))
    estimates = [
        halves_noise(*scored(rng, models=2)[:2], rng=np.random.default_rng(0), splits=100).noise for _ in range(30)
    ]
    # Percentiles of 600 have a standard error of 4 %, the mean of 30 estimates one of 2 %.
    assert np.mean(estimates) == pytest.approx(half_width(np.array(differences)), rel=0.15)


def test_halves_are_drawn_by_person_and_equal_a_loop():
    targets, scores, persons = scored(np.random.default_rng(3), images=40, models=2, per_person=2)
    noise = halves_noise(targets, scores, rng=np.random.default_rng(4), clusters=persons, splits=20)
    assert noise.differences.shape == (40,)
    whole = [auc(targets, column) for column in scores.T]
    assert (noise.best, noise.tenth) == pytest.approx((max(whole), np.percentile(whole, 90)))
    again = halves_noise(targets, scores, rng=np.random.default_rng(4), clusters=persons, splits=20)
    assert (noise.differences == again.differences).all()
    # A person whose images are alike in all models: halves of images would give other numbers than halves of persons.
    alone = halves_noise(targets, scores, rng=np.random.default_rng(4), splits=20)
    assert alone.differences.std() < noise.differences.std()


def test_what_cannot_be_split_is_refused():
    rng = np.random.default_rng(0)
    with pytest.raises(DataError, match="no evaluation noise: only negatives"):
        halves_noise([0, 0, 0], np.zeros((3, 2)), rng=rng)
    with pytest.raises(DataError, match="one model has no winner gap"):
        halves_noise([0, 0, 1, 1], np.zeros((4, 1)), rng=rng)
    with pytest.raises(DataError, match="1 of 4 scores are NaN"):
        halves_noise([0, 0, 1, 1], [[0, np.nan], [0, 1], [0, 1], [1, 1]], rng=rng)
    with pytest.raises(DataError, match=r"^2 public and 1 private scores"):
        leaderboard_noise([1, 2], [1], rng=rng)
    with pytest.raises(DataError, match=r"^1 of 2 submissions have a score that is not finite"):
        leaderboard_noise([1, np.nan], [1, 2], rng=rng)
    with pytest.raises(UsageError, match="level"):
        leaderboard_noise([1, 2], [1, 2], rng=rng, level=0)
    # Both persons with a negative fall into the same half here.
    lopsided = {"rng": np.random.default_rng(0), "clusters": list("aabbcd"), "splits": 1}
    with pytest.raises(DataError, match="all halves of the test set lack a class"):
        halves_noise([0, 1, 0, 1, 1, 1], np.arange(12.0).reshape(6, 2), **lopsided)


def test_constant_scores_have_no_noise():
    noise = halves_noise([0, 1] * 20, np.zeros((40, 2)), rng=np.random.default_rng(0), splits=20)
    assert (noise.noise, noise.gap, noise.best, noise.verdict) == (0, 0, 0.5, WITHIN)


def test_fall_that_is_not_shown_is_not_called_overfit() -> None:
    public, private = [0.47, 0.60, 0.87], [0.55, 0.34, 0.67]  # median -0.20, limits -0.26 to 0.08; gap 0.02
    noise = leaderboard_noise(public, private, rng=np.random.default_rng(0))
    assert -noise.shift > noise.gap and noise.shift_high is not None and noise.shift_high > 0
    assert noise.verdict == WITHIN
