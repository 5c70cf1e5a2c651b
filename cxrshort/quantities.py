"""Numbers of things as people say them: 1 image, 1,200 images."""


def quantity(count: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun, and with the verb behind it where both forms say one.

    Args:
        count: how many.
        singular: what stands behind the number 1.
        plural: what stands behind all others; ``singular`` with an s where it is empty.

    Example:
        >>> quantity(1, "image"), quantity(1200, "image"), quantity(0, "patient is", "patients are")
        ('1 image', '1,200 images', '0 patients are')
    """
    return f"{count:,} {singular if count == 1 else plural or f'{singular}s'}"
