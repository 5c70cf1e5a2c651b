"""Image sources: parts keep their own fingerprints and make the candidates they stand for."""

import pytest

from cxrshort.datasets.building.image_source import ImageSource, of_phantoms, part_of
from cxrshort.datasets.phantom.drawing import LARGEST, SMALLEST
from cxrshort.errors import UsageError


def test_part_makes_the_chosen_candidates_under_a_plan_of_its_own():
    made = []
    whole = ImageSource(["8", "a", "b", "c"], {}, lambda files, chosen, *rest: made.append(list(chosen)))
    part = part_of(whole, range(1, 7, 2), name="shard 2/2")
    part.make({}, [0, 2], [0, 1], 1, lambda results: None)
    assert made == [[1, 5]]
    assert part.fingerprints == ["shard 2/2", "8", "a", "b", "c"] and whole.fingerprints == ["8", "a", "b", "c"]


@pytest.mark.parametrize("size", [SMALLEST - 1, LARGEST + 1])
def test_phantoms_of_other_sizes_are_refused(size):
    with pytest.raises(UsageError, match=f"--size is '{size}', for phantoms it must be from"):
        of_phantoms([], size=size)
