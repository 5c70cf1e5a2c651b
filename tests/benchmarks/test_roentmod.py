"""Edits by diffusion at Stable Diffusion's full size: ``pytest --benchmark-only tests/benchmarks/test_roentmod.py``.

Random weights of Stable Diffusion 1.x, 512 px, strength 0.4. The floor is the networks' own work: encoder, U-Net on
pairs (with and without the prompt), decoder, without an editor around them. Times on a CPU are the processor's, of one
thread in fp32, so that neighbours on the machine count little; 2 of 5 steps, since the 20 of an edit take 5 minutes, so
that what surrounds the U-Net has a larger share than in an edit. Where there is an accelerator, whole edits are timed.

The fast mode's speed follows from the passes that it makes. How far it leads from the 20 steps is measured on networks
whose noise is known in closed form, see ``tests/generative/roentmod/known_noise.py``: random weights do not denoise.
"""

import contextlib
import itertools
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from cxrshort.compute import Compute, choose_compute
from cxrshort.generative.roentmod.components import Components
from cxrshort.generative.roentmod.diffusion import FAST_UNGUIDED, DiffusionEditor
from cxrshort.generative.roentmod.generator_files import GeneratorFiles, Part
from cxrshort.generative.roentmod.noise_schedule import NoiseSchedule, noise_settings, schedule_edit

from ..generative.roentmod.known_noise import CASES, deviation
from ..generative.roentmod.tiny_pipeline import NOISE, clip
from .turns import in_turns

SIZE, STEPS = 512, 5
ROWS = {"edit": "edema", "edit_prompt": "edema", "edit_seed": 1}


def components(compute: Compute) -> Components:
    """Return networks of the size of Stable Diffusion 1.x."""
    import diffusers

    unet = diffusers.UNet2DConditionModel(sample_size=64, cross_attention_dim=768)
    vae = diffusers.AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        sample_size=SIZE,
        scaling_factor=0.18215,
    )
    tokenizer, encoder = clip(width=768, layers=12, heads=12)
    assert sum(value.numel() for value in unet.parameters()) == 859_520_964
    assert sum(value.numel() for value in vae.parameters()) == 83_653_863
    dtype = torch.bfloat16 if compute.precision == "bf16" else torch.float32
    placed = [
        network.eval().requires_grad_(False).to(compute.torch_device, dtype).to(memory_format=torch.channels_last)
        for network in (unet, vae)
    ]
    names = ("unet", "vae", "text_encoder", "tokenizer")
    files = GeneratorFiles({name: Part(name, Path(), "random", {}, ()) for name in names}, NOISE)
    return Components(placed[0], placed[1], encoder.to(compute.torch_device), tokenizer, files)


def editor(parts: Components, compute: Compute, *, steps: int, fast: bool = False, batch: int = 1) -> DiffusionEditor:
    return DiffusionEditor(
        parts,
        schedule=schedule(steps, fast=fast),
        whole=schedule(steps, strength=1.0),
        settings={"strength": 0.4, "guidance": 4.0, "steps": steps, "negative": "", "fast": fast},
        batch_size=batch,
        compute=compute,
    )


def schedule(steps: int, *, strength: float = 0.4, fast: bool = False) -> NoiseSchedule | None:
    return schedule_edit(noise_settings("dpm++", NOISE), steps=steps, strength=strength, fast=fast)


class Passes:
    """Time the passes of bare networks, by the processor's clock."""

    def __init__(self, parts: Components) -> None:
        self.parts, self.seconds = parts, {"encode": 0.0, "pair": 0.0, "decode": 0.0}
        self.image, self.latents = torch.rand(1, 3, SIZE, SIZE), torch.randn(2, 4, SIZE // 8, SIZE // 8)
        self.embeddings, self.timestep = torch.randn(2, 77, 768), torch.tensor(399)

    @torch.inference_mode()
    def __call__(self, calls: int) -> float:
        """Return the seconds of one edit's passes."""
        with self._timed("encode"):
            self.parts.vae.encode(self.image)
        with self._timed("pair", calls):
            for _ in range(calls):
                self.parts.unet(self.latents, self.timestep, encoder_hidden_states=self.embeddings)
        with self._timed("decode"):
            self.parts.vae.decode(self.latents[:1])
        return sum(self.seconds[name] * (calls if name == "pair" else 1) for name in self.seconds)

    @contextlib.contextmanager
    def _timed(self, name: str, count: int = 1) -> Iterator[None]:
        start = time.process_time()
        yield
        self.seconds[name] = (time.process_time() - start) / count


def sources(count: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE), dtype=np.uint8)


def test_overhead_of_an_edit_on_a_cpu(benchmark, capsys):
    compute = choose_compute("cpu", precision="fp32", threads=1)
    parts = components(compute)
    edit, passes = editor(parts, compute, steps=STEPS), Passes(parts)
    numbers = itertools.count()  # another image each time, so that each is encoded

    def whole() -> float:
        rows = pd.DataFrame([{"source_image_id": str(next(numbers)), **ROWS}])
        start = time.process_time()
        edit(sources(1), rows)
        return time.process_time() - start

    edit.round_trip(sources(1)[:, :64, :64])
    bare, edited = passes(edit.calls_per_edit), whole()
    seconds = passes.seconds
    fast = schedule(50, fast=True)
    assert fast is not None
    halves = 2 * fast.calls - FAST_UNGUIDED  # single passes take half of a pair's time, which is 4 % too little
    ends = seconds["encode"] + seconds["decode"]
    speed = (20 * seconds["pair"] + ends) / (halves / 2 * seconds["pair"] + ends)
    far = {name: deviation(network, fast, unguided=FAST_UNGUIDED) for name, network in CASES.items()}
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info.update(overhead=edited / bare - 1, fast=speed, deviation=max(far.values()), **seconds)
    with capsys.disabled():
        sys.stderr.write(
            f"\nfp32, one thread, {edit.calls_per_edit} steps at {SIZE} px: edit {edited:.1f} s, bare passes "
            f"{bare:.1f} s, overhead {100 * (edited / bare - 1):+.1f} % (encode {seconds['encode']:.1f} s, U-Net pair "
            f"{seconds['pair']:.1f} s, decode {seconds['decode']:.1f} s)\nfast mode / 20 steps, by these passes: "
            f"{speed:.2f}; it differs from 20 steps by "
            f"{', '.join(f'{100 * share:.1f} % ({name})' for name, share in far.items())} of what the edit changes\n"
        )


@pytest.mark.parametrize("batch", [1, 16])
def test_edits_on_an_accelerator(benchmark, capsys, batch):
    compute = choose_compute("auto")
    if compute.torch_device.type != "cuda":
        pytest.skip("no accelerator on this machine")
    parts, numbers, lines = components(compute), itertools.count(), []
    for fast in (False, True):
        edit = editor(parts, compute, steps=50, fast=fast, batch=batch)
        torch.cuda.reset_peak_memory_stats()

        def whole(edit: DiffusionEditor = edit) -> float:
            # Other images each time, so that each is encoded.
            rows = pd.DataFrame([{"source_image_id": str(next(numbers)), **ROWS} for _ in range(batch)])
            torch.cuda.synchronize()
            start = time.perf_counter()
            edit(sources(batch), rows)
            torch.cuda.synchronize()
            return time.perf_counter() - start

        (seconds,) = in_turns(whole)
        peak = torch.cuda.max_memory_allocated() / 2**30
        name = "fast mode" if fast else "20 steps"
        lines.append(f"{name} {seconds / batch:.3f} s per image, {peak:.1f} GiB")
        benchmark.extra_info.update({f"{name} seconds": seconds / batch, f"{name} peak GiB": peak})
    benchmark.pedantic(lambda: None, rounds=1)
    with capsys.disabled():
        sys.stderr.write(f"\n{torch.cuda.get_device_name()}, {compute.precision}, batch {batch}: {'; '.join(lines)}\n")
