"""Draws by name."""

import numpy as np

from cxrshort.stats.named_draws import named_generator


def test_draws_are_those_of_seed_and_names_alone() -> None:
    first = named_generator(3, "Edema", "view").random(5)
    named_generator(3, "Mass", "sex").random(100)
    assert np.array_equal(first, named_generator(3, "Edema", "view").random(5))
    others = [named_generator(*key).random(5) for key in [(4, "Edema", "view"), (3, "Edema", "sex"), (3, "Mass")]]
    assert not any(np.array_equal(first, other) for other in others)
