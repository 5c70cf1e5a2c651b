"""What a synthetic dataset will be: films, prompts, labels, sizes; checked before any generator is opened."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cxrshort.columns import LABELS
from cxrshort.dataset import Dataset
from cxrshort.datasets.building.pixel_recipes import PixelRecipe
from cxrshort.datasets.phantom.drawing import LARGEST, SMALLEST
from cxrshort.errors import UsageError
from cxrshort.generative.roentmod.contract import Prompt
from cxrshort.generative.roentmod.off_target import OffTarget, check_table, choose_off_target, unseen_labels
from cxrshort.generative.roentmod.opening import DIFFUSION, PHANTOM
from cxrshort.generative.roentmod.phantom import check_labels
from cxrshort.generative.roentmod.prompts import choose_prompts

SIZE = 224
"""Side of the stored pictures where no real dataset says it."""
GENERATOR_SIZE = 512
"""Side at which Stable Diffusion draws."""


@dataclass(frozen=True)
class SynthesisPlan:
    """Hold what is known before an editor is opened.

    Args:
        images: number of films without findings.
        prompts: edits of each, the sham last where there is one.
        no_finding: the words that films are drawn from.
        scheme: how labels are filled in besides the added finding.
        repetitions: of each edit.
        seed: of everything.
        recipe: how pixels are made, as the real dataset's.
        size: side of the stored pictures.
        full_size: side at which they are made.
        notes: what must be known.
    """

    images: int
    prompts: Sequence[Prompt]
    no_finding: Prompt
    scheme: OffTarget
    repetitions: int
    seed: int
    recipe: Mapping[str, Any]
    size: int
    full_size: int
    notes: Sequence[str]


def plan_synthesis(
    editor: str,
    real: Dataset | None,
    *,
    images: int,
    repetitions: int,
    seed: int,
    sham: bool,
    size: int | None,
    generator_size: int | None,
    prompts: tuple[Sequence[str], Path | None],
    off_target: str | None,
) -> SynthesisPlan:
    """Return what will be made, once everything that needs no generator is checked.

    Raises:
        UsageError: a number out of range, or prompts and labels that do not fit.
    """
    for option, value in (("--images", images), ("--repetitions", repetitions)):
        if value < 1:
            raise UsageError(f"{option} is '{value}', it must be 1 or more", "the paper has 10,000 films and 2 edits")
    findings, no_finding = choose_prompts(*prompts, labels=LABELS)
    if editor == PHANTOM:
        check_labels({prompt.edit: prompt.label for prompt in findings})
    scheme = choose_off_target(off_target, knows=editor == PHANTOM)
    added = [prompt.label or prompt.edit for prompt in findings]
    check_table(scheme, added)
    notes = []
    if unseen := unseen_labels(scheme, added, LABELS):
        notes.append(f"the table has no column of {', '.join(unseen)}: these labels are empty in all edits")
    if unlabelled := [prompt.edit for prompt in findings if not prompt.label]:
        notes.append(f"no label is of the edit {', '.join(unlabelled)}: none is set to 1 there")
    if not sham:
        notes.append(
            "without a sham edit every edited film has a finding: what editing leaves behind can become a sign"
        )
    if real is None and editor == DIFFUSION:
        notes.append(
            "generators can memorise training patients: --compare-with D lists the nearest real image of each film"
        )
    side, full_size = _sizes(editor, real, size=size, generator_size=generator_size)
    recipe = {"size": side, **PixelRecipe().record()} if real is None else {**real.recipe, "size": side}
    return SynthesisPlan(
        images, [*findings, *([no_finding] if sham else [])], no_finding, scheme, repetitions, seed, recipe,
        side, full_size, notes,
    )  # fmt: skip


def _sizes(editor: str, real: Dataset | None, *, size: int | None, generator_size: int | None) -> tuple[int, int]:
    """Return the side of the stored pictures, and the side at which they are made."""
    if real is not None and len(real.pixels.image_shape) != 2:
        raise UsageError(f"{real.name}: its images have colours, and generators draw radiographs", "another dataset")
    side = size or (SIZE if real is None else real.pixels.image_shape[-1])
    if editor == PHANTOM:
        if generator_size is not None:
            raise UsageError("--generator-size is of the editor 'diffusion', not of 'phantom'", "--size takes any side")
        if not SMALLEST <= side <= LARGEST:
            raise UsageError(f"--size is '{side}', for phantoms it must be from {SMALLEST} to {LARGEST}", f"try {SIZE}")
        return side, side
    full_size = generator_size or max(GENERATOR_SIZE, side)
    if not 1 <= side <= full_size:
        raise UsageError(f"--size is '{side}', it must be from 1 to --generator-size {full_size}", "films are reduced")
    return side, full_size
