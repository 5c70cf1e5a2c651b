"""Editors opened from the options of a command: each takes its own, and refuses those of another one."""

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, cast

from cxrshort import places, registry
from cxrshort.compute import Compute
from cxrshort.dataset import Dataset
from cxrshort.errors import MissingInputError, UsageError
from cxrshort.generative.roentmod import EDITORS
from cxrshort.generative.roentmod.contract import Editor, Prompt

DIFFUSION, PHANTOM, CYCLEGAN = "diffusion", "phantom", "cyclegan"
STRENGTH, GUIDANCE, STEPS = 0.4, 4.0, 50
"""The paper's strength and guidance (its text has the two swapped), and the steps that diffusers takes by default."""
_DEFAULTS: Mapping[str, Any] = {"strength": STRENGTH, "guidance": GUIDANCE, "steps": STEPS}


@dataclass(frozen=True)
class EditorOptions:
    """Hold the options of editors as the command line takes them; what is None or false was not asked for.

    Args:
        generator: diffusion: folder or hub id of a pipeline.
        vae: diffusion: folder or hub id of another autoencoder.
        text_encoder: diffusion: folder or hub id of another text encoder.
        tokenizer: diffusion: folder or hub id of another tokenizer.
        unet: diffusion: folder or hub id of another U-Net.
        hub: diffusion: whether hub ids may be downloaded.
        strength: diffusion: share of the steps that are made, 0 to 1.
        guidance: diffusion: guidance scale, 1 or more; 1 is none.
        steps: diffusion: steps of the whole schedule.
        scheduler: diffusion: name of the scheduler.
        negative: diffusion: words of what is not wanted.
        fast: diffusion: fewer steps.
        severity: phantom: of the added findings, above 0 and at most 1.
        keep_noise: phantom: keep the noise of the originals.
        batch_size: pictures made at a time.
    """

    generator: str | None = None
    vae: str | None = None
    text_encoder: str | None = None
    tokenizer: str | None = None
    unet: str | None = None
    hub: bool = False
    strength: float | None = None
    guidance: float | None = None
    steps: int | None = None
    scheduler: str | None = None
    negative: str | None = None
    fast: bool = False
    severity: float | None = None
    keep_noise: bool = False
    batch_size: int | None = None

    def chosen(self) -> dict[str, Any]:
        """Return the options that were asked for."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None and value is not False}


_IN_ROWS = (
    "strength",
    "guidance",
    "steps",
    "scheduler",
    "start_timestep",
    "negative",
    "fast",
    "severity",
    "noise",
)
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    PHANTOM: ("severity", "keep_noise", "batch_size"),
    CYCLEGAN: ("batch_size",),
    DIFFUSION: tuple(field.name for field in fields(EditorOptions) if field.name not in ("severity", "keep_noise")),
}


def parse_editor(text: str, options: EditorOptions) -> tuple[str, str]:
    """Return the name of an editor and its model, "" where it has none, once the options fit it.

    Raises:
        UsageError: an unknown editor, one without its model, an option of another one, or a number out of range.
    """
    name, sign, model = text.partition(":")
    registry.check_name(EDITORS, name, kind="editor")
    if (name == CYCLEGAN) != bool(model) or (sign and not model):
        raise UsageError(f"--editor is '{text}'", "cyclegan:MODEL names its model, the others have none")
    allowed = _OPTIONS.get(name, ("batch_size",))
    foreign = [option for option in options.chosen() if option not in allowed]
    if foreign:
        owner = next(editor for editor, names in _OPTIONS.items() if foreign[0] in names)
        raise UsageError(f"{_flag(foreign[0])} is of the editor '{owner}', not of '{name}'", f"--editor {owner}")
    if name == DIFFUSION:
        _check_numbers(options)
    if options.batch_size is not None and options.batch_size < 1:
        raise UsageError(f"--batch-size is '{options.batch_size}', it must be 1 or more", "leave it out")
    return name, model


def check_files(name: str, model: str, options: EditorOptions) -> None:
    """Refuse a model or a generator that is not there, before a dataset is read; what the hub has is looked up later.

    Args:
        name: of :data:`cxrshort.generative.roentmod.EDITORS`.
        model: of an editor that has one.
        options: of this editor.

    Raises:
        MissingInputError: nothing is there.
        DataError: it is damaged, or no generator.
        UsageError: it is a model of another kind.
    """
    if name == CYCLEGAN:
        from cxrshort.generative.cyclegan.model import describe_cyclegan

        if not places.exists(Path(model)):
            raise MissingInputError(f"'{model}' does not exist", "cxrshort cyclegan train makes one")
        describe_cyclegan(model)
    if name == DIFFUSION and not options.hub:
        from cxrshort.generative.roentmod.generator_files import PARTS, find_generator

        find_generator(options.generator, {part: getattr(options, part) for part in PARTS})


def open_editor(name: str, model: str, options: EditorOptions, *, data: Dataset, compute: Compute) -> Editor:
    """Return an editor.

    Args:
        name: of :data:`cxrshort.generative.roentmod.EDITORS`.
        model: of an editor that has one.
        options: of this editor.
        data: the sources.
        compute: where a network works.

    Raises:
        CxrshortError: what the editor says of its options, of its files, or of the sources.
    """
    function = registry.load_entry(EDITORS, name, kind="editor")
    chosen = options.chosen()
    if chosen.pop("keep_noise", False):
        chosen["noise"] = "kept"
    if name == DIFFUSION:
        chosen = {**_DEFAULTS, **chosen}
    offered = {"data": data, "compute": compute, **({"model": model} if model else {})}
    accepted = inspect.signature(function).parameters
    taken = {key: value for key, value in offered.items() if key in accepted}
    return cast(Editor, function(**taken, **chosen))


def check_words(editor: Editor, prompts: Sequence[Prompt]) -> None:
    """Refuse prompts that an editor cannot read to their end, before the first edit.

    Raises:
        UsageError: a prompt has too many tokens.
    """
    check = getattr(editor, "check_prompts", None)
    if check is not None:
        check([prompt.text for prompt in prompts])


def size_notes(editor: Editor, side: int) -> list[str]:
    """Return what must be known of images of another size than the generator was trained with.

    Args:
        editor: any; only a generator has a size of its own.
        side: of the images, in pixels.
    """
    native = getattr(editor, "native_side", side)
    if native == side:
        return []
    return [
        f"the generator makes pictures of {native} pixels, and the images have {side}: build-dataset --size {native} "
        "gives it what it was trained with"
    ]


def editor_parameters(editor: Editor) -> dict[str, Any]:
    """Return the settings of an editor that stand in every row of its edits."""
    return {name: editor.facts[name] for name in _IN_ROWS if name in editor.facts}


def _check_numbers(options: EditorOptions) -> None:
    if not options.generator and not options.unet:
        raise UsageError(
            "--generator is missing: the editor 'diffusion' needs the folder of a pipeline",
            "RoentGen's authors give out its weights on request (StanfordAIMI/RoentGen); --editor phantom needs none",
        )
    if options.strength is not None and not 0 <= options.strength <= 1:
        raise UsageError(
            f"--strength is '{options.strength:g}', it must be from 0 to 1",
            "the paper's text has the two numbers swapped: --strength 0.4 --guidance 4",
        )
    if options.guidance is not None and not 1 <= options.guidance < math.inf:
        raise UsageError(
            f"--guidance is '{options.guidance:g}', it must be 1 or more",
            "the paper's text has the two numbers swapped: --strength 0.4 --guidance 4",
        )
    if options.steps is not None and options.steps < 1:
        raise UsageError(f"--steps is '{options.steps}', it must be 1 or more", "50 is usual")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
