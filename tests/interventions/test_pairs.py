import numpy as np
import pandas as pd
import pytest

from cxrshort.dataset import Dataset
from cxrshort.errors import UsageError
from cxrshort.interventions.pairs import Candidates, choose_candidates, choose_pairs, same_class_pairs


def candidates(persons: str, positive: str) -> Candidates:
    """Return images of persons a letter each, ``+`` or ``-`` for their class."""
    manifest = pd.DataFrame({"person_id": list(persons)})
    return Candidates(Dataset("tiny", manifest), np.array([sign == "+" for sign in positive]))


def draw(images: Candidates, *, pairs: int = 99, seed: int = 0, eligible: list[int] | None = None):
    rows = range(len(images.positive)) if eligible is None else eligible
    return choose_pairs(images, rows, pairs=pairs, rng=np.random.default_rng(seed))


def test_pairs_are_of_both_classes_and_of_different_persons() -> None:
    rng = np.random.default_rng(1)
    for seed in range(30):
        letters = "".join(rng.choice(list("abcdefghij"), 24))
        images = candidates(letters, "".join(rng.choice(["+", "-"], 24)))
        chosen = draw(images, seed=seed)
        persons = [letters[row] for pair in chosen for row in pair]
        assert len(set(persons)) == len(persons)
        assert all(images.positive[positive] and not images.positive[negative] for positive, negative in chosen)


def test_as_many_pairs_as_there_can_be_are_found() -> None:
    # c and d have images of both classes, and only where c or d is the positive there is a second pair.
    assert len(draw(candidates("abccdd", "+--++-"))) == 2
    assert len(draw(candidates("aabb", "+-+-"))) == 1
    assert draw(candidates("aab", "++-"), pairs=0) == []
    assert draw(candidates("abc", "---")) == []


def test_only_eligible_images_are_drawn_and_the_seed_decides() -> None:
    images = candidates("abcdefgh", "+-+-+-+-")
    assert {row for pair in draw(images, eligible=[0, 1, 2]) for row in pair} < {0, 1, 2}
    assert draw(images, pairs=2, seed=3) == draw(images, pairs=2, seed=3)
    assert len({tuple(draw(images, pairs=2, seed=seed)) for seed in range(9)}) > 1


def fold(targets: list[object]) -> Dataset:
    count = len(targets)
    ids = [f"i{number}" for number in range(count)]
    return Dataset("tiny", pd.DataFrame({"image_id": ids, "person_id": ids, "COVID-19": pd.array(targets, "Float64")}))


def test_candidates_are_the_images_with_a_clear_label_and_a_sample_of_many() -> None:
    data = fold([1, 0, None, 0.5, *[0] * 40])
    chosen = choose_candidates(data, "COVID-19", rng=np.random.default_rng(0), most=10)
    assert (int(chosen.positive.sum()), len(chosen.positive)) == (1, 11)
    assert chosen.data.manifest["COVID-19"].tolist() == chosen.positive.astype(float).tolist()
    assert chosen.notes == (
        "2 of 44 images are neither positive nor negative for COVID-19",
        "10 of 41 negatives were drawn by chance as candidates",
    )


def test_label_that_the_dataset_does_not_have_is_refused() -> None:
    with pytest.raises(UsageError, match="'Mass' is not a known label"):
        choose_candidates(fold([0, 1]), "Mass", rng=np.random.default_rng(0))


def test_pairs_of_one_class_use_each_image_once() -> None:
    pairs = same_class_pairs([(0, 1), (2, 3), (4, 5), (6, 7)])
    assert sorted(row for first, second, _ in pairs for row in (first, second)) == list(range(8))
    assert [positive for _, _, positive in pairs] == [True, True, False, False]
    assert same_class_pairs([(0, 1)]) == []
