"""The posterior of a confusion matrix against closed forms, integrals over the cube, a Markov chain, scikit-learn."""

import numpy as np
import pytest
from scipy.special import xlogy
from scipy.stats import beta
from sklearn import metrics

from cxrshort.errors import DataError, UsageError
from cxrshort.stats.confusion import confusion_matrix, confusion_scores


def measure(counts, **options):
    return confusion_scores(counts, rng=np.random.default_rng(0), **options)


def test_estimates_are_scikit_learns():
    rng = np.random.default_rng(1)
    truth, called = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    called[:100] = truth[:100]
    table = confusion_matrix(truth, called, classes=3)
    np.testing.assert_array_equal(table, metrics.confusion_matrix(truth, called))
    posterior = measure(table, draws=100, labels=("a", "b", "c"))
    precision, recall, f1, images = metrics.precision_recall_fscore_support(truth, called)
    for number, part in enumerate(posterior.classes):
        values = [score.estimate for score in (part.precision, part.sensitivity, part.f1)]
        assert values == pytest.approx([precision[number], recall[number], f1[number]])
        others = (truth != number, called != number)
        assert part.specificity.estimate == pytest.approx(metrics.recall_score(*others))
        assert (part.label, part.images) == ("abc"[number], images[number])
    assert posterior.accuracy.estimate == pytest.approx(metrics.accuracy_score(truth, called))
    assert posterior.balanced_accuracy.estimate == pytest.approx(metrics.balanced_accuracy_score(truth, called))
    assert posterior.macro_f1.estimate == pytest.approx(f1.mean())
    assert posterior.macro_precision.estimate == pytest.approx(precision.mean())


def test_sensitivity_has_a_beta_posterior():
    """A Dirichlet's marginal: Beta(n_kk + w, n_k. - n_kk + (K - 1) w)."""
    table = [[7, 2, 1], [0, 4, 1], [3, 3, 30]]
    posterior = measure(table, decision_prior=0.5, level=0.9, draws=100_000)
    for number, part in enumerate(posterior.classes):
        right, wrong = table[number][number], sum(table[number]) - table[number][number]
        marginal = beta(right + 0.5, wrong + 1.0)
        assert part.sensitivity.mean == pytest.approx(marginal.mean(), abs=0.003)
        assert (part.sensitivity.low, part.sensitivity.high) == pytest.approx(marginal.interval(0.9), abs=0.006)
        assert part.sensitivity.deviation == pytest.approx(marginal.std(), rel=0.02)


def test_two_classes_equal_an_integral_over_the_cube():
    """Mean and deviation of precision, F1 and accuracy from the density of (prevalence, sensitivity, specificity)."""
    (tn, fp), (fn, tp) = table = [[12, 3], [2, 6]]
    grid = (np.arange(160) + 0.5) / 160
    p, se, sp = np.meshgrid(grid, grid, grid, indexing="ij")
    log = xlogy(tp + fn, p) + xlogy(tn + fp, 1 - p) + xlogy(tp, se) + xlogy(fn, 1 - se)
    log += xlogy(tn, sp) + xlogy(fp, 1 - sp)
    density = np.exp(log - log.max())
    density /= density.sum()
    hits, alarms = p * se, (1 - p) * (1 - sp)
    posterior = measure(table, draws=200_000)
    positive = posterior.classes[1]
    scores = {
        "precision": (positive.precision, hits / (hits + alarms)),
        "f1": (positive.f1, 2 * hits / (hits + alarms + p)),
        "accuracy": (posterior.accuracy, hits + (1 - p) * sp),
        "balanced": (posterior.balanced_accuracy, (se + sp) / 2),
        "specificity": (positive.specificity, sp),
    }
    for name, (score, values) in scores.items():
        mean = (density * values).sum()
        deviation = np.sqrt((density * (values - mean) ** 2).sum())
        # Five standard errors of a mean of 200,000 draws, and the grid.
        assert score.mean == pytest.approx(mean, abs=0.0015), name
        assert score.deviation == pytest.approx(deviation, rel=0.01), name


def test_macro_f1_equals_a_markov_chain():
    """Metropolis on the logits of the nine cells' parameters knows nothing of conjugacy."""
    table = np.array([[8, 2, 1], [1, 5, 2], [2, 1, 9]], float)
    macro = measure(table).macro_f1
    rng, chains = np.random.default_rng(0), 2000

    def log_posterior(state):
        shares = np.exp(state - np.log(np.exp(state).sum(axis=-1, keepdims=True)))
        # Priors of ones in the shares; the Jacobian of a softmax with a normal anchor is the product of shares.
        anchor = -0.5 * state.sum(axis=-1) ** 2
        counts = np.concatenate([table.sum(axis=1)[None], table])
        return (((counts + 1) * np.log(shares)).sum(axis=-1) + anchor).sum(axis=-1), shares

    state = np.zeros((chains, 4, 3))
    current, shares = log_posterior(state)
    for _ in range(300):
        proposal = state + rng.normal(0, 0.35, state.shape)
        value, other = log_posterior(proposal)
        accept = np.log(rng.random(chains)) < value - current
        state[accept], current[accept], shares[accept] = proposal[accept], value[accept], other[accept]
    joint = shares[:, 0, :, None] * shares[:, 1:]
    f1 = np.mean(2 * np.einsum("dkk->dk", joint) / (joint.sum(axis=1) + joint.sum(axis=2)), axis=1)
    error = f1.std() / np.sqrt(chains)
    assert macro.mean == pytest.approx(f1.mean(), abs=4 * error)
    assert macro.deviation == pytest.approx(f1.std(), rel=0.08)  # five standard errors


def test_priors_count_as_so_many_images():
    """The mean accuracy is that of class sizes and of sensitivities, which are independent Dirichlets."""
    counts, class_prior, decision_prior = np.array([[18, 2], [1, 4]]), 10.0, 3.0
    posterior = measure(counts, class_prior=class_prior, decision_prior=decision_prior)
    sizes = (class_prior + counts.sum(axis=1)) / (2 * class_prior + counts.sum())
    right = (decision_prior + np.diag(counts)) / (2 * decision_prior + counts.sum(axis=1))
    assert posterior.accuracy.mean == pytest.approx(sizes @ right, abs=0.002)  # five errors of 50,000 draws


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """Classes of 60 and 20, sensitivity 0.8, specificity 0.9: F1 is 0.762."""
    truth, inside = 2 * 0.25 * 0.8 / (0.25 + 0.25 * 0.8 + 0.75 * 0.1), 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        tn, fp, fn, tp = rng.multinomial(80, [0.75 * 0.9, 0.75 * 0.1, 0.25 * 0.2, 0.25 * 0.8])
        f1 = confusion_scores([[tn, fp], [fn, tp]], rng=rng, draws=2000).classes[1].f1
        inside += f1.low <= truth <= f1.high
    assert inside >= 273  # 95 % of 300 are 285; fewer than 273 have a chance below 1 in 1,000


def test_a_class_without_images_has_the_prior_and_no_estimate():
    posterior = measure([[5, 0], [0, 0]])
    empty = posterior.classes[1]
    assert (empty.sensitivity.estimate, empty.precision.estimate, empty.f1.estimate) == (None, None, None)
    assert empty.sensitivity.mean == pytest.approx(0.5, abs=0.005)
    assert (posterior.classes[0].specificity.estimate, posterior.macro_f1.estimate) == (None, None)
    assert (posterior.class_prior, posterior.decision_prior, posterior.images) == (1, 1, 5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: measure([[1, 2]]),
            DataError,
            "a confusion matrix of shape (1, 2): it must be square, with two classes or more",
        ),
        (
            lambda: measure([[1, -1], [0, 1]]),
            DataError,
            "a confusion matrix with numbers that are no counts: each must be whole and not negative",
        ),
        (
            lambda: measure([[1, np.nan], [0, 1]]),
            DataError,
            "a confusion matrix with numbers that are no counts: each must be whole and not negative",
        ),
        (lambda: measure(np.zeros((2, 2))), DataError, "an empty confusion matrix: it must count at least one image"),
        (lambda: measure(np.eye(2), class_prior=0), UsageError, 'class prior "0" must be at least 0.1'),
        (lambda: measure(np.eye(2), labels=("a",)), UsageError, "1 names for 2 classes: they must be as many"),
        (
            lambda: confusion_matrix([0, 1], [0], classes=2),
            DataError,
            "2 targets and 1 decisions: they must be as many",
        ),
        (
            lambda: confusion_matrix([0, 2], [np.nan, 1], classes=2),
            DataError,
            '2 numbers such as "2" are no class: classes are 0 to 1',
        ),
    ],
)
def test_what_makes_no_sense_is_refused(call, error, message):
    with pytest.raises(error) as caught:
        call()
    assert caught.value.message == message
