"""Names of structures, alone and joined."""

import pytest

from cxrshort.columns import MASK_BITS
from cxrshort.errors import UsageError
from cxrshort.masks.structures import bits_of, canonical, structures


@pytest.mark.parametrize("name", MASK_BITS)
def test_structure_alone_has_its_own_bit(name):
    assert (structures(name), canonical(name), bits_of(name)) == ((name,), name, MASK_BITS[name])


@pytest.mark.parametrize("text", ["lungs,heart", "heart,lungs", "heart+lungs", " heart , lungs ", "lungs+heart,lungs"])
def test_structures_joined_in_any_way_are_the_same(text):
    assert (structures(text), canonical(text), bits_of(text)) == (("lungs", "heart"), "lungs+heart", 1 + 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lung", "'lung' is not a known mask"),
        ("lungs,hart", "'hart' is not a known mask"),
        ("", "'' is not a known mask"),
        ("lungs,", "'' is not a known mask"),
    ],
)
def test_unknown_structure_is_refused(text, message):
    with pytest.raises(UsageError) as caught:
        structures(text)
    assert caught.value.message == message


def test_unknown_structure_is_refused_with_the_closest_name():
    with pytest.raises(UsageError) as caught:
        bits_of("lungs,haert")
    assert caught.value.hint == "did you mean 'heart'?"
