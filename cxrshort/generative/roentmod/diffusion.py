"""Edits by image-to-image diffusion (SDEdit, Meng et al. 2022) with a radiograph generator, as RoentMod makes them.

Noise is added to the latents of a radiograph and taken away again under a prompt. Any Stable Diffusion 1.x or 2.x
generator in diffusers' folders serves: RoentGen with the default VAE, RadEdit with its parts named one by one.

The paper (RoentMod 2025) states strength 0.4 and guidance 4 (its text has them swapped), and neither scheduler nor
number of steps nor precision; here these are DPM-Solver++ and 50, so that an edit takes 20 steps from timestep 399.

What would invalidate a comparison of edits: noise that differs between a finding and the sham edit of an image, so it
is drawn from the row's seed alone; and another number of pictures at a time, since networks then add in another order:
pictures differ by up to 1e-4 of their range between internal batches, and by nothing within them.
"""

import contextlib
import copy
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from cxrshort.compute import Compute, deterministic, enough_memory
from cxrshort.errors import UsageError
from cxrshort.generative.roentmod.autoencoding import Autoencoding, Latents
from cxrshort.generative.roentmod.components import Components, load_components, load_vae
from cxrshort.generative.roentmod.contract import Picture, Pictures
from cxrshort.generative.roentmod.denoising import Guidance, denoise, draw_noise
from cxrshort.generative.roentmod.generator_files import find_generator, identify
from cxrshort.generative.roentmod.noise_schedule import (
    DEFAULT_SCHEDULER,
    NoiseSchedule,
    noise_settings,
    schedule_edit,
)
from cxrshort.generative.roentmod.text_conditioning import TextConditioning
from cxrshort.images.raster import ImageError
from cxrshort.stats.finding_names import ROUND_TRIPS, plain

GPU_BATCH = 8
"""Pictures at a time on a GPU; on a CPU a larger batch than 1 is not faster (40.2 s for two, 20.2 s for one)."""
FAST_UNGUIDED = 1
"""Last calls of the fast mode that follow the prompt without guidance, see ``tests/benchmarks/test_roentmod.py``."""


def open_editor(  # noqa: PLR0913 -- an editor has as many settings as its command
    *,
    generator: str | None = None,
    vae: str | None = None,
    text_encoder: str | None = None,
    tokenizer: str | None = None,
    unet: str | None = None,
    hub: bool = False,
    strength: float = 0.4,
    guidance: float = 4.0,
    steps: int = 50,
    scheduler: str = DEFAULT_SCHEDULER,
    negative: str = "",
    fast: bool = False,
    batch_size: int | None = None,
    compute: Compute,
) -> "DiffusionEditor":
    """Return an editor.

    Args:
        generator: folder of a diffusers pipeline, or a hub id; None where each part is named.
        vae: folder (or ``FOLDER:SUBFOLDER``, or hub id) of a VAE in place of the generator's.
        text_encoder: likewise.
        tokenizer: likewise.
        unet: likewise.
        hub: whether names may be ids of the Hugging Face hub, which are then fetched.
        strength: share of the steps that an edit takes, 0 to 1; 0 is the round trip through the VAE.
        guidance: scale of classifier-free guidance, 1 or more; 1 is none.
        steps: of the whole schedule.
        scheduler: a name of :data:`~cxrshort.generative.roentmod.noise_schedule.SCHEDULERS`, with settings behind it.
        negative: prompt that guidance leads away from.
        fast: fewer steps from the same start timestep, the last without guidance.
        batch_size: pictures at a time; None is 1 on a CPU and `GPU_BATCH` elsewhere.
        compute: device and precision.

    Raises:
        UsageError: a setting makes no sense, or the negative prompt is too long.
        MissingInputError: a folder is not there.
        DataError: it is no generator, or its parts do not fit each other.
    """
    if not 1 <= guidance < math.inf:
        raise UsageError(f"guidance is '{guidance:g}', it must be 1 or more", "such as 4; 1 is no guidance")
    if batch_size is not None and batch_size < 1:
        raise UsageError(f"--batch-size is '{batch_size}', it must be 1 or more")
    replacements = {"vae": vae, "text_encoder": text_encoder, "tokenizer": tokenizer, "unet": unet}
    files = find_generator(generator, replacements, hub=hub)
    noise = noise_settings(scheduler, files.scheduler)
    schedule = schedule_edit(noise, steps=steps, strength=strength, fast=fast)
    whole = schedule_edit(noise, steps=steps, strength=1.0, fast=fast)
    components = load_components(files, compute)
    return DiffusionEditor(
        components,
        schedule=schedule,
        whole=whole,
        settings={"strength": strength, "guidance": guidance, "steps": steps, "negative": negative, "fast": fast},
        batch_size=batch_size or (1 if compute.torch_device.type == "cpu" else GPU_BATCH),
        compute=compute,
    )


class DiffusionEditor:
    """Edit radiographs with a generator.

    Args:
        components: its networks.
        schedule: the steps of an edit; None where strength is 0.
        whole: the steps of a picture from noise alone.
        settings: strength, guidance, steps, negative, fast.
        batch_size: pictures at a time.
        compute: device and precision.

    Attributes:
        identity: of files, settings, precision and batch; other threads or machines change no more than rounding.
        facts: for people and ``run.json``.
        calls_per_edit: how often the U-Net is called for a batch of edits.
        calls_per_generation: and for a batch of pictures from noise alone.
        native_side: pixels of the pictures that the U-Net was trained with; others come out worse.
    """

    def __init__(
        self,
        components: Components,
        *,
        schedule: NoiseSchedule | None,
        whole: NoiseSchedule | None,
        settings: dict[str, Any],
        batch_size: int,
        compute: Compute,
    ) -> None:
        self.batch_size, self.compute, self.settings = batch_size, compute, settings
        self.schedule, self.whole, self.components = schedule, whole, components
        self.moves = schedule is not None
        self.calls_per_edit = schedule.calls if schedule else 0
        self.calls_per_generation = whole.calls if whole else 0
        self.conditioning = TextConditioning(
            components.tokenizer,
            components.text_encoder,
            dtype=components.unet.dtype,
            source=components.files.parts["text_encoder"].source,
        )
        self._vae = Autoencoding(
            components.vae,
            compute=compute,
            downscaling=components.downscaling,
            full_precision=lambda: load_vae(components.files.parts["vae"], compute, torch.float32),
        )
        self._guidance = Guidance(
            settings["guidance"],
            self.conditioning.embed(settings["negative"]),
            unguided=FAST_UNGUIDED if settings["fast"] else 0,
        )
        sample_size = components.unet.config.sample_size or 64
        self.native_side = int(np.max(sample_size)) * components.downscaling
        self._describe({name: part.record() for name, part in components.files.parts.items()})

    def _describe(self, records: dict[str, Any]) -> None:
        """State facts and identity, from the components as files."""
        self.facts = self._facts(records)
        kept = {name: value for name, value in self.facts.items() if name != "components"}
        self.identity = json.dumps({"files": identify(records), **kept}, sort_keys=True)

    def _facts(self, records: dict[str, Any]) -> dict[str, Any]:
        steps = self.schedule.record() if self.schedule else {"denoising_steps": 0, "unet_calls": 0}
        return {
            "editor": "diffusion",
            **self.settings,
            **steps,
            "unguided_calls": self._guidance.unguided,
            "batch_size": self.batch_size,
            "device": self.compute.torch_device.type,
            "unet_precision": _precision(self.components.unet),
            "vae_precision": _precision(self.components.vae),
            "native_side": self.native_side,
            "longest_prompt": self.conditioning.longest,
            "components": records,
        }

    def at(self, *, strength: float, guidance: float) -> "DiffusionEditor":
        """Return the same editor with another strength and guidance; networks, prompts and latents are shared.

        Args:
            strength: share of the steps that an edit takes, 0 to 1.
            guidance: scale of classifier-free guidance, 1 or more.

        Raises:
            UsageError: a number is out of range.
        """
        if not 1 <= guidance < math.inf:
            raise UsageError(f"guidance is '{guidance:g}', it must be 1 or more", "such as 4; 1 is no guidance")
        if self.whole is None:
            raise UsageError("the editor has no schedule of its own", "open it with steps of 1 or more")
        steps, fast = int(self.settings["steps"]), bool(self.settings["fast"])
        other = copy.copy(self)
        other.settings = {**self.settings, "strength": strength, "guidance": guidance}
        other.schedule = schedule_edit(self.whole.settings, steps=steps, strength=strength, fast=fast)
        other.moves, other.calls_per_edit = other.schedule is not None, other.schedule.calls if other.schedule else 0
        other._guidance = Guidance(guidance, self._guidance.negative, unguided=self._guidance.unguided)
        other._describe(self.facts["components"])
        return other

    def check_prompts(self, texts: Sequence[str]) -> None:
        """Refuse prompts whose end the text encoder does not read, before the first edit.

        Raises:
            UsageError: a prompt has too many tokens; the message says which words would be lost.
        """
        self.conditioning.check(texts)

    def __call__(self, sources: Pictures, rows: pd.DataFrame) -> list[Picture | ImageError]:
        """Return the edits of a batch, see :class:`~cxrshort.generative.roentmod.contract.Editor`.

        Raises:
            UsageError: a prompt has too many tokens.
            WorkFailedError: memory ran out.
        """
        self.check_prompts(rows["edit_prompt"].unique().tolist())
        pictures: list[Picture | ImageError] = []
        with self._careful():
            for start in range(0, len(rows), self.batch_size):
                chosen = slice(start, start + self.batch_size)
                latents = [self._vae.encode(pixels) for pixels in sources[chosen]]
                pictures += self._edit(latents, rows.iloc[chosen])
        return pictures

    def round_trip(self, sources: Pictures) -> list[Picture | ImageError]:
        """Return pictures that were encoded and decoded, and no more.

        Args:
            sources: (n, H, W) uint8.
        """
        with self._careful():
            return [self._decode(self._vae.encode(pixels)) for pixels in sources]

    def generate(self, rows: pd.DataFrame, size: int | tuple[int, int]) -> list[Picture | ImageError]:
        """Return pictures from noise alone.

        Args:
            rows: with ``edit_prompt`` and ``edit_seed``.
            size: side of the pictures in pixels, or (height, width).

        Raises:
            UsageError: a prompt has too many tokens.
            WorkFailedError: memory ran out.
        """
        height, width = (size, size) if isinstance(size, int) else size
        self.check_prompts(rows["edit_prompt"].unique().tolist())
        pictures: list[Picture | ImageError] = []
        with self._careful():
            for start in range(0, len(rows), self.batch_size):
                chosen = rows.iloc[start : start + self.batch_size]
                edited = self._denoise(None, chosen, self._vae.latent_sides(height, width))
                pictures += [self._vae.decode(values, height=height, width=width) for values in edited]
        return pictures

    def _edit(self, latents: Sequence[Latents | ImageError], rows: pd.DataFrame) -> list[Picture | ImageError]:
        """Return the edits of at most one internal batch."""
        noisy = [] if self.schedule is None else [not _is_round_trip(str(edit)) for edit in rows["edit"]]
        moved = [n for n, has_noise in enumerate(noisy) if has_noise and isinstance(latents[n], Latents)]
        edited: dict[int, Tensor] = {}
        if moved:
            chosen = [latent for number, latent in enumerate(latents) if number in moved]
            stacked = torch.stack([latent.values for latent in chosen if isinstance(latent, Latents)])
            edited = dict(zip(moved, self._denoise(stacked, rows.iloc[moved], stacked.shape[-2:]), strict=True))
        return [self._decode(latent, edited.get(number)) for number, latent in enumerate(latents)]

    def _denoise(self, latents: Tensor | None, rows: pd.DataFrame, sides: Sequence[int]) -> Tensor:
        """Return edited latents; a short batch is filled up with copies, so that every batch has the same shape."""
        schedule = self.whole if latents is None else self.schedule
        if schedule is None:
            raise UsageError("an edit of strength 0 takes no step", "call round_trip")
        missing = [len(rows) - 1] * (self.batch_size - len(rows))
        rows = rows.iloc[[*range(len(rows)), *missing]]
        seeds = [int(seed) for seed in rows["edit_seed"]]
        height, width = sides
        channels = int(self.components.unet.config.in_channels)
        noise = draw_noise(seeds, (channels, height, width)).to(self.compute.torch_device)
        if latents is not None:
            latents = torch.cat([latents, latents[-1:].expand(len(missing), -1, -1, -1)])
        prompts = torch.stack([self.conditioning.embed(str(prompt)) for prompt in rows["edit_prompt"]])
        edited = denoise(
            self.components.unet, latents, noise, prompts=prompts, schedule=schedule, guidance=self._guidance
        )
        return edited[: len(rows) - len(missing)]

    def _decode(self, latents: Latents | ImageError, edited: Tensor | None = None) -> Picture | ImageError:
        if isinstance(latents, ImageError):
            return latents
        values = latents.values if edited is None else edited
        return self._vae.decode(values, height=latents.height, width=latents.width, retried=latents.retried)

    @contextlib.contextmanager
    def _careful(self) -> Iterator[None]:
        """Keep to operations that give the same bytes again, and say clearly where memory runs out."""
        smaller = "--batch-size 1" if self.batch_size > 1 else ""
        on_gpu = self.compute.torch_device.type == "cuda"  # a CPU's passes repeat themselves, and the mode costs time
        with (
            deterministic() if on_gpu else contextlib.nullcontext(),
            enough_memory(self.compute, images=self.batch_size, hint=smaller),
        ):
            yield


def _is_round_trip(edit: str) -> bool:
    """Return whether the last of the edits that led to a picture only encodes and decodes it."""
    return plain(edit.rpartition(", ")[2]) in ROUND_TRIPS


def _precision(network: Any) -> str:
    return "bf16" if network.dtype == torch.bfloat16 else "fp32"
