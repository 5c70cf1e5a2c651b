"""Names of the structures that masks show, alone or joined, and their bits in a mask field.

Loads nothing heavy: recipes and the command line check names with it.
"""

from cxrshort import registry
from cxrshort.columns import MASK_BITS

_JOINED = "+"


def structures(text: str) -> tuple[str, ...]:
    """Return the structures that a text names, joined by commas or plus signs, in the order of their bits.

    Raises:
        UsageError: an unknown structure, or none.

    Example:
        >>> structures("heart,lungs")
        ('lungs', 'heart')
    """
    named = {part.strip() for part in text.replace(_JOINED, ",").split(",")}
    for name in sorted(named):
        registry.check_name(MASK_BITS, name, kind="mask")
    return tuple(name for name in MASK_BITS if name in named)


def canonical(text: str) -> str:
    """Return structures as recipes, models and tables write them, whatever their order was.

    Example:
        >>> canonical("heart, lungs")
        'lungs+heart'
    """
    return _JOINED.join(structures(text))


def bits_of(text: str) -> int:
    """Return the bits of the structures that a text names.

    Example:
        >>> bits_of("lungs,heart"), bits_of("text")
        (3, 16)
    """
    return sum(MASK_BITS[name] for name in structures(text))
