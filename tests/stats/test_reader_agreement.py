"""Agreement of readers: against published numbers, statsmodels and scikit-learn, and where it is not defined."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats import inter_rater

from cxrshort.errors import DataError
from cxrshort.stats.reader_agreement import cohen_kappa, fleiss_kappa, krippendorff_alpha

NAN = np.nan
KRIPPENDORFF_2011 = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
    [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
]
"""Four observers and twelve units: Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C."""


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def readings(images: int = 300, readers: int = 3, *, error: float = 0.2) -> np.ndarray:
    """Return answers 0, 1, 2 of readers who err alike often."""
    draws = np.random.default_rng(1)
    truth = draws.integers(0, 3, images)
    wrong = draws.random((images, readers)) < error
    return np.where(wrong, draws.integers(0, 3, (images, readers)), truth[:, None]).astype(np.float64)


def test_alpha_is_that_of_the_published_example() -> None:
    alpha = krippendorff_alpha(np.transpose(KRIPPENDORFF_2011), range(12), rng=rng())
    assert alpha.value == pytest.approx(0.743, abs=0.0005)
    assert alpha.images == 11 and alpha.coefficient == "Krippendorff's alpha"


def test_cohen_is_that_of_sklearn_and_of_statsmodels() -> None:
    answers = readings()
    kappa = cohen_kappa(answers[:, 0], answers[:, 1], range(300), rng=rng())
    assert kappa.value == pytest.approx(cohen_kappa_score(answers[:, 0], answers[:, 1]), abs=1e-12)
    table, _ = inter_rater.aggregate_raters(answers[:, :2].astype(int))
    assert kappa.equal == pytest.approx((table == 2).any(axis=1).mean())
    contingency = np.histogram2d(answers[:, 0], answers[:, 1], bins=3)[0]
    other = inter_rater.cohens_kappa(contingency)
    # The asymptotic interval of independent images; a bootstrap of 2000 draws is within 0.015 of it.
    assert (kappa.low, kappa.high) == pytest.approx((other.kappa_low, other.kappa_upp), abs=0.015)


def test_fleiss_is_that_of_statsmodels_over_the_images_that_all_read() -> None:
    answers = readings()
    answers[:10, 2] = NAN
    table, _ = inter_rater.aggregate_raters(answers[10:].astype(int))
    kappa = fleiss_kappa(answers, range(300), rng=rng())
    assert kappa.value == pytest.approx(inter_rater.fleiss_kappa(table), abs=1e-12)
    assert kappa.images == 290


def test_alpha_nears_fleiss_where_nothing_is_missing_and_images_are_many() -> None:
    answers = readings(2000)
    both = [measure(answers, range(2000), rng=rng()).value for measure in (fleiss_kappa, krippendorff_alpha)]
    assert both[0] == pytest.approx(both[1], abs=1e-3)


def test_interval_is_wider_where_images_are_of_few_persons() -> None:
    draws = np.random.default_rng(2)
    answers = np.repeat(readings(40), 10, axis=0)
    apart = krippendorff_alpha(answers, range(400), rng=draws)
    together = krippendorff_alpha(answers, np.repeat(np.arange(40), 10), rng=draws)
    assert together.value == apart.value and together.persons == 40
    assert None not in (apart.low, apart.high, together.low, together.high)
    assert together.high - together.low > 2 * (apart.high - apart.low)


def test_interval_covers_the_truth() -> None:
    """Two readers who are right with 0.9, else the opposite: kappa is (0.82 - 0.5) / 0.5 = 0.64."""
    draws = np.random.default_rng(3)
    covered = 0
    for _ in range(100):
        truth = draws.integers(0, 2, 150)
        answers = truth[:, None] ^ (draws.random((150, 2)) < 0.1)
        kappa = cohen_kappa(answers[:, 0], answers[:, 1], range(150), rng=draws)
        covered += kappa.low <= 0.64 <= kappa.high
    assert covered >= 89  # of 100 at 95 %: fewer have a probability of 0.4 %


def test_equal_answers_throughout_leave_no_coefficient() -> None:
    for measure in (fleiss_kappa, krippendorff_alpha):
        agreement = measure(np.ones((5, 2)), range(5), rng=rng())
        assert (agreement.value, agreement.equal, agreement.reason) == (None, 1.0, "all answers are the same")


def test_readers_who_never_differ_have_no_interval_of_no_width() -> None:
    agreement = cohen_kappa([1, 0, 0], [1, 0, 0], range(3), rng=rng())
    assert (agreement.value, agreement.low, agreement.reason) == (1.0, None, "no interval: no two answers differ")


def test_images_that_one_reader_read_alone_say_nothing() -> None:
    agreement = cohen_kappa([1, NAN, 0], [NAN, 1, NAN], range(3), rng=rng())
    assert (agreement.value, agreement.images, agreement.reason) == (None, 0, "no image was read twice")


def test_one_person_has_no_interval() -> None:
    agreement = cohen_kappa([1, 0, 0], [1, 0, 1], ["P"] * 3, rng=rng())
    assert agreement.value is not None and agreement.low is None and agreement.reason == "no interval: one person"


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([[0, 0.5], [1, 1]], "answers must be whole numbers from 0"),
        ([[0, -1], [1, 1]], "answers must be whole numbers from 0"),
        ([[0], [1]], "answers of shape (2, 1): agreement needs two readers or more"),
    ],
)
def test_what_is_no_answer_is_refused(answers: list[list[float]], message: str) -> None:
    with pytest.raises(DataError) as refusal:
        krippendorff_alpha(answers, range(2), rng=rng())
    assert refusal.value.message == message


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(DataError, match="3 and 2 answers: they must be to the same images"):
        cohen_kappa([0, 1, 1], [0, 1], range(3), rng=rng())
