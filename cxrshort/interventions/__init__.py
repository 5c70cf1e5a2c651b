"""What is done to a picture before it is scored again, and the same done to random patches."""

from cxrshort.registry import Entry

INTERVENTIONS = {
    "swap": Entry("cxrshort.interventions.swap:SWAP", "a box takes the contents of a box of another image"),
    "replace": Entry(
        "cxrshort.interventions.replace:REPLACE", "a box takes what another image shows at the same place"
    ),
    "move": Entry("cxrshort.interventions.move:MOVE", "the contents of a box go elsewhere in the same image"),
    "blur": Entry("cxrshort.interventions.blur:BLUR", "a box is smoothed by a Gaussian"),
    "inpaint": Entry("cxrshort.interventions.inpaint:INPAINT", "a box is filled smoothly from the pixels around it"),
    "mean": Entry("cxrshort.interventions.mean:MEAN", "a box takes its own mean grey"),
}
"""Interventions in boxes by name; each is an :class:`~cxrshort.interventions.contract.Intervention`."""

MASKINGS = {
    "black-outside": Entry("cxrshort.interventions.masking:BLACK_OUTSIDE", "an area alone is shown, on black"),
    "black-inside": Entry("cxrshort.interventions.masking:BLACK_INSIDE", "an area is blacked out"),
    "grey-outside": Entry("cxrshort.interventions.masking:GREY_OUTSIDE", "an area alone is shown, on its mean grey"),
    "grey-inside": Entry("cxrshort.interventions.masking:GREY_INSIDE", "an area takes the mean grey of all the rest"),
}
"""Interventions in areas by name; each is a :class:`~cxrshort.interventions.masking.Masking`."""

FINDERS = {
    "markers": Entry("cxrshort.interventions.markers:find_markers", "text-like bright components outside the lungs"),
    "shoulders": Entry("cxrshort.interventions.shoulders:find_shoulders", "lung apices and clavicles, from lung masks"),
}
"""Automatic finders of boxes by the name of their preset; each takes images and lungs and returns a table of boxes."""
