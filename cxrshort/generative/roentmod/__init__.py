"""Editors, which put findings into radiographs; another one is one file and one line here."""

from cxrshort.registry import Entry

EDITORS: dict[str, Entry] = {
    "diffusion": Entry(
        "cxrshort.generative.roentmod.diffusion:open_editor",
        "image-to-image diffusion with a radiograph generator, as RoentGen or RadEdit",
    ),
    "phantom": Entry(
        "cxrshort.generative.roentmod.phantom:open_editor",
        "exact counterfactuals of a phantom dataset",
    ),
    "cyclegan": Entry(
        "cxrshort.generative.roentmod.cyclegan:open_editor",
        "a cyclegan of cxrshort cyclegan train, toward its --to side",
    ),
}
"""Editors by name; each is a function that returns an :class:`~cxrshort.generative.roentmod.contract.Editor`."""
