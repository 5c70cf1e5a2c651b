import numpy as np
import pytest

from cxrshort.stats.leakage import LEAK, NO_EVIDENCE, SUSPICIOUS
from cxrshort.stats.nearest import NearestVerdict, judge_nearest, nearest_rows, shares_as_near


@pytest.mark.parametrize(("count", "references"), [(7, 40), (1500, 2100)])
def test_nearest_reference_of_another_group_is_that_of_a_full_search(count: int, references: int) -> None:
    draw = np.random.default_rng(0)
    vectors, others = (draw.normal(100, 1, (size, 5)).astype(np.float32) for size in (count, references))
    groups, other_groups = (draw.integers(0, 9, size).astype(str) for size in (count, references))
    places, distances = nearest_rows(vectors, others, groups=groups, reference_groups=other_groups)
    far = np.linalg.norm(vectors[:, None].astype(np.float64) - others, axis=2)
    far[groups[:, None] == other_groups] = np.inf
    np.testing.assert_array_equal(places, far.argmin(axis=1))
    np.testing.assert_allclose(distances, far.min(axis=1), rtol=1e-12)  # both of the winner in float64


def test_vector_without_a_reference_of_another_group_has_none() -> None:
    one = np.zeros((1, 2), np.float32)
    places, distances = nearest_rows(one, one, groups=["A"], reference_groups=["A"])
    assert places.tolist() == [-1] and distances.tolist() == [np.inf]


def test_share_counts_real_films_that_are_as_near_and_the_image_itself() -> None:
    np.testing.assert_allclose(shares_as_near([0.0, 1.0, 9.0], [1.0, 2.0, 2.0, 3.0]), [0.2, 0.4, 1.0])
    assert shares_as_near([0.3], []).tolist() == [1.0]


@pytest.mark.parametrize(
    ("correlation", "nearer", "certain", "expected"),
    [
        (0.93, {}, True, NearestVerdict(LEAK, "the same film: fine structure correlates by 0.93")),
        (0.93, {}, False, NearestVerdict(SUSPICIOUS, "fine structure correlates by 0.93")),
        (0.8, {}, True, NearestVerdict(SUSPICIOUS, "fine structure correlates by 0.80")),
        (
            0.3,
            {"hash": True, "x": True},
            True,
            NearestVerdict(SUSPICIOUS, "nearer than any two real films by hash and x"),
        ),
        (0.74, {"hash": False}, True, NearestVerdict(NO_EVIDENCE, "")),
    ],
)
def test_fine_structure_or_distance_accuses(
    correlation: float, nearer: dict[str, bool], certain: bool, expected: NearestVerdict
) -> None:
    assert judge_nearest(correlation, nearer, certain=certain) == expected


def test_one_of_n_plus_1_is_nearer_by_chance_than_the_whole_yardstick() -> None:
    draw = np.random.default_rng(1)
    nearer = [draw.random() < draw.random(19).min() for _ in range(20000)]
    assert np.mean(nearer) == pytest.approx(1 / 20, abs=0.006)  # four standard errors
