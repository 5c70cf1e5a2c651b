"""Numbers of things as people say them."""

import pytest

from cxrshort.quantities import quantity


@pytest.mark.parametrize(("count", "forms", "text"), [
    (1, ("image",), "1 image"), (2, ("image",), "2 images"), (0, ("image",), "0 images"),
    (12345, ("row is no edit", "rows are no edits"), "12,345 rows are no edits"),
    (1, ("row is no edit", "rows are no edits"), "1 row is no edit"),
])  # fmt: skip
def test_noun_and_verb_agree_with_the_number(count: int, forms: tuple[str, ...], text: str) -> None:
    assert quantity(count, *forms) == text
