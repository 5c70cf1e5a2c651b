"""Edits by diffusion at Stable Diffusion's full size: ``pytest --benchmark-only tests/benchmarks/test_roentmod.py``.

Random weights of Stable Diffusion 1.x, 512 px, strength 0.4. The floor is the networks' own work: encoder, U-Net on
pairs (with and without the prompt), decoder, without an editor around them. Times on a CPU are the processor's, of one
thread in fp32, so that neighbours on the machine count little; 2 of 5 steps, since the 20 of an edit take 5 minutes, so
that what surrounds the U-Net has a larger share than in an edit. The whole verb reads such a pipeline from disk and
phantoms from a dataset folder, and writes a dataset; its floor is every picture encoded once, a pair of the U-Net for
each step of each edit, and every edit and round trip decoded. Where there is an accelerator, whole edits are timed.

The fast mode's speed follows from the passes that it makes, and is measured on one whole edit. How far it leads from
the 20 steps is measured on networks whose noise is known in closed form, see
``tests/generative/roentmod/known_noise.py``: random weights do not denoise.
"""

import contextlib
import itertools
import statistics
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
from cxrshort.generative.roentmod.opening import EditorOptions, open_editor
from cxrshort.verbs.build_dataset import build_dataset
from cxrshort.verbs.roentmod import edit as verb

from ..generative.roentmod.known_noise import CASES, deviation
from ..generative.roentmod.tiny_pipeline import NOISE, build, clip
from .turns import in_turns

SIZE, STEPS = 512, 5
UNET = {
    "sample_size": SIZE // 8,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
}
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "sample_size": SIZE,
    "scaling_factor": 0.18215,
}
TEXT_ENCODER = {"width": 768, "layers": 12, "heads": 12}
IMAGES, PROMPTS = 2, ("edema",)
"""Of the whole verb, which adds a sham edit and a round trip of each image."""
ROWS = {"edit": "edema", "edit_prompt": "edema", "edit_seed": 1}


def components(compute: Compute) -> Components:
    """Return networks of the size of Stable Diffusion 1.x."""
    import diffusers

    unet, vae = diffusers.UNet2DConditionModel(**UNET), diffusers.AutoencoderKL(**VAE)
    tokenizer, encoder = clip(**TEXT_ENCODER)
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


class TimedOpening:
    """Open the editor as the verb does, and time that and every pass of its networks by the processor's clock."""

    def __init__(self) -> None:
        self.seconds, self.editor = 0.0, None
        self.passes: dict[str, list[float]] = {"encode": [], "pair": [], "decode": []}

    def __call__(self, *arguments: Any, **options: Any) -> DiffusionEditor:
        start = time.process_time()
        opened = open_editor(*arguments, **options)
        self.seconds, self.editor = time.process_time() - start, opened
        vae, unet = opened.components.vae, opened.components.unet
        vae.encode, vae.decode = self._timed("encode", vae.encode), self._timed("decode", vae.decode)
        unet.forward = self._timed("pair", unet.forward)
        return opened

    def _timed(self, name: str, work: Any) -> Any:
        def timed(*arguments: Any, **options: Any) -> Any:
            start = time.process_time()
            made = work(*arguments, **options)
            self.passes[name].append(time.process_time() - start)
            return made

        return timed


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


def test_overhead_of_the_whole_verb_on_a_cpu(benchmark, capsys, tmp_path, monkeypatch):
    generator = build(tmp_path / "generator", unet=UNET, vae=VAE, encoder=TEXT_ENCODER)
    films, cpu = tmp_path / "films", {"device": "cpu", "precision": "fp32", "threads": 1}
    build_dataset("phantom-III", out=films, number_of_images=20, size=SIZE, jobs=1, replicates=1)
    opening = TimedOpening()
    monkeypatch.setattr(verb, "open_editor", opening)
    start = time.process_time()
    made = verb.edit(
        str(films),
        prompts=PROMPTS,
        split="all",
        all_images=True,
        sample=IMAGES,
        options=EditorOptions(generator=str(generator), steps=STEPS),
        out=tmp_path / "edits",
        **cpu,
    )
    whole = time.process_time() - start
    assert opening.editor is not None and made.summary["rows"] == IMAGES * (len(PROMPTS) + 2)
    edits, steps = IMAGES * (len(PROMPTS) + 1), opening.editor.calls_per_edit
    needed = {"encode": IMAGES, "pair": edits * steps, "decode": edits + IMAGES}
    # By the passes of the verb itself: bare ones minutes later differ by more than what is measured.
    means = {name: statistics.mean(seconds) for name, seconds in opening.passes.items()}
    calls = {name: len(seconds) for name, seconds in opening.passes.items()}
    floor = sum(count * means[name] for name, count in needed.items())
    overhead = (whole - opening.seconds) / floor - 1
    passes = Passes(opening.editor.components)
    passes(1)
    bare = sum(count * passes.seconds[name] for name, count in needed.items())
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info.update(overhead=overhead, loading=opening.seconds, whole=whole, floor=floor, bare=bare)
    with capsys.disabled():
        sys.stderr.write(
            f"\nfp32, one thread, the whole verb: {edits} edits of {steps} steps and {IMAGES} round trips at {SIZE} px "
            f"{whole:.1f} s, of which opening the generator {opening.seconds:.1f} s; the passes that are needed "
            f"({', '.join(f'{count} x {name} {means[name]:.1f} s' for name, count in needed.items())}) {floor:.1f} s, "
            f"made {calls}, overhead without the opening {100 * overhead:+.1f} %; the same passes of the bare "
            f"networks afterwards {bare:.1f} s\n"
        )


def test_fast_mode_of_a_whole_edit_on_a_cpu(benchmark, capsys):
    """One edit of 20 steps and one of the fast mode, about 8 minutes."""
    compute = choose_compute("cpu", precision="fp32", threads=1)
    parts, seconds = components(compute), {}
    for number, fast in enumerate((False, True)):
        edit = editor(parts, compute, steps=50, fast=fast)
        edit.round_trip(sources(1)[:, :64, :64])
        start = time.process_time()
        edit(sources(1), pd.DataFrame([{"source_image_id": str(number), **ROWS}]))
        seconds["fast" if fast else "usual"] = time.process_time() - start
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info.update(**seconds, ratio=seconds["usual"] / seconds["fast"])
    with capsys.disabled():
        sys.stderr.write(
            f"\nfp32, one thread, a whole edit at {SIZE} px: 20 steps {seconds['usual']:.1f} s, fast mode "
            f"{seconds['fast']:.1f} s, ratio {seconds['usual'] / seconds['fast']:.2f}\n"
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
