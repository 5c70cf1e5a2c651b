"""Sources of variance: their parts add up, and simulation finds the variances that were put in."""

import numpy as np
import pytest

from cxrshort.errors import DataError
from cxrshort.stats.superiority import variance_parts
from cxrshort.stats.variance_sources import variance_sources


def sources(table, **options):
    parts = variance_parts(table, **{name: options[name] for name in ("images", "test_to_train") if name in options})
    settings = {name: value for name, value in options.items() if name != "images"}
    return parts, {
        source.name: source for source in variance_sources(parts, seeds=len(table), splits=len(table[0]), **settings)
    }


@pytest.mark.parametrize("shape", [(4, 3), (1, 5), (5, 1), (1, 1)])
@pytest.mark.parametrize("ratio", [0.0, 0.25])
def test_contributions_add_up_to_the_variance_of_the_mean(shape, ratio):
    table = np.random.default_rng(0).normal(size=shape) + 4 * np.arange(shape[1])  # so that splits are not cut to 0
    parts, by_name = sources(table, images=0.03, test_to_train=ratio)
    assert sum(source.of_mean or 0 for source in by_name.values()) == pytest.approx(parts.mean)
    assert sum(source.share or 0 for source in by_name.values()) == pytest.approx(1)


def test_simulated_variances_are_recovered():
    rng = np.random.default_rng(1)
    estimates = []
    for _ in range(400):
        table = rng.normal(0, 2, (6, 1)) + rng.normal(0, 1, (1, 5)) + rng.normal(0, 0.5, (6, 5))
        estimates.append([source.variance for source in sources(table)[1].values()][:3])
    # The mean of 400 has a standard error of 3 to 5 %; truncation at 0 adds little with these variances.
    assert np.mean(estimates, axis=0) == pytest.approx([4, 1, 0.25], rel=0.15)


def test_what_did_not_vary_is_unknown_and_not_0():
    _, by_name = sources(np.array([[0.1, 0.2, 0.4]]), images=0.0, images_of_run=0.02)
    assert (by_name["seeds"].variance, by_name["seeds"].remark) == (None, "unknown: only one")
    assert by_name["splits"].remark == "holds the variance over seeds where it varies too"
    assert (by_name["test images"].variance, by_name["test images"].share) == (0.02, None)
    assert by_name["test images"].remark == "part of the splits"
    assert sources(np.array([[0.1]]))[1]["test images"].remark == "unknown"


def test_negative_estimates_are_told():
    table = np.array([[0.0, 1.0], [1.0, 0.0]])
    assert sources(table)[1]["seeds"].remark == "estimate below 0, set to 0"
    with pytest.raises(DataError, match=r"^0 seeds and 2 splits"):
        variance_sources(variance_parts(table), seeds=0, splits=2)
