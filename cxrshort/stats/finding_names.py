"""One name for a finding, whether a label, a prompt or a reader's sheet says it; and the names of sham edits.

An edit is named by the finding that it adds, in the words of a label (``Pleural_Thickening``) or of a prompt ("right
pleural effusion"). What would mislead: a name of another finding taken for this one; so a prompt counts only if it
stands below word by word.
"""

from collections.abc import Iterable, Mapping

SYNONYMS: Mapping[str, str] = {
    "pleural effusion": "effusion",
    "right pleural effusion": "effusion",
    "left pleural effusion": "effusion",
    "pulmonary edema": "edema",
    "lung mass": "mass",
    "pulmonary mass": "mass",
    "left upper lobe mass": "mass",
    "right upper lobe mass": "mass",
    "lung nodule": "nodule",
    "lung nodules": "nodule",
    "nodules": "nodule",
    "middle lobe pneumonia": "pneumonia",
    "right middle lobe pneumonia": "pneumonia",
    "hiatal hernia": "hernia",
    "enlarged heart": "cardiomegaly",
    "covid 19": "covid",
}
"""What a name stands for, beside itself; the prompts of RoentMod are among them."""

SHAMS = ("sham", "no finding", "no acute cardiopulmonary process")
"""Edits that add nothing, with the noise and the steps of those that do; the first of an image is its control."""
ROUND_TRIPS = ("round trip", "vae round trip", "vae")
"""Edits that only encode and decode: less than a sham, since no noise was added."""


def plain(name: str) -> str:
    """Return a name as it is compared: in lower case, with blanks for underscores and hyphens.

    Example:
        >>> plain("Pleural_Thickening"), plain(" no  finding")
        ('pleural thickening', 'no finding')
    """
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def canonical(name: str) -> str:
    """Return the name that all names of a finding have in common.

    Example:
        >>> canonical("right pleural effusion") == canonical("Effusion") == canonical("Pleural Effusion")
        True
    """
    return SYNONYMS.get(plain(name), plain(name))


def edit_role(name: str, sham: str | None = None) -> str:
    """Return what an edit is for: ``"edit"``, ``"sham"`` or ``"round trip"``.

    Args:
        name: of the edit.
        sham: the name that the user gives the edit that adds nothing; None for :data:`SHAMS` alone.

    Example:
        >>> edit_role("Cardiomegaly"), edit_role("No_Finding"), edit_role("nothing", sham="nothing")
        ('edit', 'sham', 'sham')
    """
    if sham is not None and plain(name) == plain(sham):
        return "sham"
    if plain(name) in ROUND_TRIPS:
        return "round trip"
    return "sham" if plain(name) in SHAMS else "edit"


def label_of(edit: str, labels: Iterable[str]) -> str:
    """Return the label of the finding that an edit adds; "" where no label is of it.

    Example:
        >>> label_of("left upper lobe mass", ["Edema", "Mass"]), label_of("scoliosis", ["Edema", "Mass"])
        ('Mass', '')
    """
    return next((label for label in labels if canonical(label) == canonical(edit)), "")
