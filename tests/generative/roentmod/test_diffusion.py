"""The diffusion editor, on a tiny generator of random weights."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from cxrshort.compute import Compute, choose_compute, seeded_generator
from cxrshort.errors import DataError, UsageError, WorkFailedError
from cxrshort.generative.roentmod import EDITORS
from cxrshort.generative.roentmod.contract import Picture
from cxrshort.generative.roentmod.diffusion import GPU_BATCH, DiffusionEditor, open_editor
from cxrshort.images.raster import ImageError
from cxrshort.registry import load_entry

from .tiny_pipeline import build

CPU = choose_compute("cpu", precision="fp32")
SIZE = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("generators") / "tiny")


def opened(folder: Path, **settings: Any) -> DiffusionEditor:
    return open_editor(generator=str(folder), **{"compute": CPU, "steps": 10, **settings})


@pytest.fixture(scope="module")
def editor(folder: Path) -> DiffusionEditor:
    return opened(folder)


def sources(count: int = 3, height: int = SIZE, width: int = SIZE) -> Any:
    return np.random.default_rng(0).integers(0, 256, (count, height, width), dtype=np.uint8)


def rows(*edits: tuple[str, str, str, int]) -> pd.DataFrame:
    """Return rows of (source, edit, prompt, seed)."""
    return pd.DataFrame(edits, columns=["source_image_id", "edit", "edit_prompt", "edit_seed"]).assign(
        edit_label="", edit_repetition=0
    )


THREE = rows(("a", "edema", "edema", 1), ("b", "hernia", "hernia", 2), ("c", "sham", "no finding", 3))


def pixels(outcomes: Any) -> Any:
    assert all(isinstance(outcome, Picture) for outcome in outcomes)
    return np.stack([outcome.pixels for outcome in outcomes])


def test_it_is_registered():
    assert load_entry(EDITORS, "diffusion", kind="editor") is open_editor


def test_the_papers_edit_takes_20_steps(folder):
    editor = opened(folder, steps=50)
    calls = []
    handle = editor.components.unet.register_forward_pre_hook(lambda module, inputs: calls.append(len(inputs[0])))
    try:
        picture = editor(sources(1), THREE.iloc[:1])[0]
    finally:
        handle.remove()
    assert calls == [2] * 20
    assert editor.calls_per_edit == 20
    assert (editor.facts["strength"], editor.facts["guidance"], editor.facts["start_timestep"]) == (0.4, 4.0, 399)
    assert picture.pixels.shape == (SIZE, SIZE)
    assert picture.pixels.dtype == np.uint8
    assert set(picture.facts) == {"edit_channel_spread", "edit_vae_fp32"}


def test_prompts_and_seeds_change_the_picture_and_the_same_edit_is_the_same_bytes(editor):
    source = np.repeat(sources(1), 4, axis=0)
    made = pixels(
        editor(
            source,
            rows(
                ("a", "edema", "edema", 1),
                ("a", "hernia", "hernia", 1),
                ("a", "edema", "edema", 2),
                ("a", "edema", "edema", 1),
            ),
        )
    )
    assert np.array_equal(made[0], made[3])
    assert not np.array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
    again = pixels(editor(source[:1], rows(("a", "edema", "edema", 1))))
    assert np.array_equal(again[0], made[0])


def test_noise_is_that_of_the_seed_whatever_the_prompt(editor):
    """An edit is its source, its prompt and the noise of its seed: by hand, with the parts of the editor."""
    seen = []
    handle = editor.components.unet.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
    try:
        editor(np.repeat(sources(1), 2, axis=0), rows(("a", "edema", "edema", 7), ("a", "sham", "no finding", 7)))
    finally:
        handle.remove()
    first, second = seen[0], seen[editor.calls_per_edit]
    assert torch.equal(first, second)
    latents = editor._vae.encode(sources(1)[0]).values
    noise = torch.randn((4, 8, 8), generator=seeded_generator(7))
    image_share, noise_share = editor.schedule.shares()
    torch.testing.assert_close(first[0], image_share * latents + noise_share * noise, rtol=1e-4, atol=1e-4)


def test_a_picture_is_encoded_once_for_its_edits_and_its_round_trip(folder):
    fresh, calls = opened(folder, steps=3), []
    handle = fresh.components.vae.encoder.register_forward_pre_hook(lambda module, inputs: calls.append(1))
    try:
        own = sources(40)
        table = pd.concat([THREE.iloc[:1]] * 40).assign(source_image_id=range(40))
        for place in range(40):
            fresh(own[[place, place]], pd.concat([table.iloc[[place]], table.iloc[[place]].assign(edit_prompt="x")]))
        for place in range(40):
            fresh.round_trip(own[place : place + 1])
        assert len(calls) == 40
    finally:
        handle.remove()


def test_strength_0_and_round_trips_decode_what_was_encoded(folder, editor):
    trips = pixels(editor.round_trip(sources(2)))
    still = opened(folder, strength=0)
    assert (still.calls_per_edit, still.facts["unet_calls"], still.moves) == (0, 0, False)
    assert np.array_equal(pixels(still(sources(2), THREE.iloc[:2])), trips)
    mixed = pixels(editor(sources(2), rows(("a", "cropped, Round_Trip", "", 1), ("b", "edema", "edema", 2))))
    assert np.array_equal(mixed[0], trips[0])
    assert not np.array_equal(mixed[1], trips[1])
    with torch.inference_mode():
        vae, image = editor.components.vae, torch.from_numpy(sources(1)[0] / 127.5 - 1).float()
        decoded = vae.decode(vae.encode(image[None, None].expand(1, 3, -1, -1)).latent_dist.mode()).sample[0]
    expected = (decoded / 2 + 0.5).clamp(0, 1).mean(0).numpy() * 255
    assert np.abs(trips[0] - expected).max() <= 0.5 + 1e-2


def test_bytes_depend_on_the_batch_by_rounding_alone(folder):
    one, three = opened(folder), opened(folder, batch_size=3)
    together = pixels(three(sources(3), THREE))
    alone = pixels(one(sources(3), THREE))
    # Of 255 grey levels: the pixels themselves differ by 1e-4 of their range at most, and are then rounded.
    assert np.abs(together.astype(int) - alone).max() <= 1
    assert (together != alone).mean() < 0.01
    # A short batch is filled up, so that its pictures are those of a whole one.
    for number in range(3):
        part = pixels(three(sources(3)[number:], THREE.iloc[number:]))
        assert np.array_equal(part, together[number:])
    assert np.array_equal(pixels(three(sources(3)[::-1], THREE.iloc[::-1])), together[::-1])


def test_latents_before_rounding_agree_between_batches(folder):
    one, three = opened(folder), opened(folder, batch_size=3)
    latents = torch.stack([one._vae.encode(picture).values for picture in sources(3)])
    together = three._denoise(latents, THREE, (8, 8))
    alone = torch.cat([one._denoise(latents[n : n + 1], THREE.iloc[n : n + 1], (8, 8)) for n in range(3)])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-4)


def test_images_are_encoded_and_prompts_embedded_once(folder):
    editor = opened(folder)
    counts = {"images": 0, "prompts": 0}

    def count(name: str) -> Any:
        def hook(module: Any, inputs: Any) -> None:
            counts[name] += 1

        return hook

    editor.components.vae.encoder.register_forward_pre_hook(count("images"))
    editor.components.text_encoder.register_forward_pre_hook(count("prompts"))
    source = sources(2)[[0, 0, 0, 1, 1, 1]]
    edits = [(image, edit, edit, 1) for image in "ab" for edit in ("edema", "hernia", "sham")]
    editor(source, rows(*edits))
    assert counts == {"images": 2, "prompts": 3}  # the empty prompt was embedded when the editor was opened


def test_another_image_under_the_same_name_is_another_edit(editor):
    source = sources(2)
    first, second = (pixels(editor(source[n : n + 1], THREE.iloc[:1])) for n in (0, 1))
    assert not np.array_equal(first, second)


def test_pictures_from_noise_alone(folder, editor):
    calls = []
    handle = editor.components.unet.register_forward_pre_hook(lambda module, inputs: calls.append(1))
    try:
        made = pixels(editor.generate(THREE, 64))
    finally:
        handle.remove()
    assert made.shape == (3, 64, 64)
    assert len(calls) == 3 * editor.calls_per_generation == 30
    assert np.array_equal(pixels(editor.generate(THREE.iloc[1:], 64)), made[1:])
    assert pixels(editor.generate(THREE.iloc[:1], (60, 70))).shape == (1, 60, 70)
    weak = opened(folder, strength=0)
    assert np.array_equal(pixels(weak.generate(THREE, 64)), made)


@pytest.mark.parametrize(("height", "width"), [(75, 70), (40, 64)])
def test_sizes_are_kept(editor, height, width):
    assert pixels(editor(sources(1, height, width), THREE.iloc[:1])).shape == (1, height, width)


@pytest.mark.parametrize("scheduler", ["ddim", "pndm", "heun", "euler", "unipc"])
def test_every_scheduler_edits(folder, scheduler):
    editor = opened(folder, scheduler=scheduler)
    source = sources(1)
    made = pixels(editor(source, THREE.iloc[:1]))
    assert not np.array_equal(made, pixels(editor.round_trip(source)))
    assert editor.calls_per_edit == {"pndm": 5, "heun": 7}.get(scheduler, 4)


def test_negative_prompt_and_guidance_change_the_picture(folder, editor):
    made = [
        pixels(opened(folder, **settings)(sources(1), THREE.iloc[:1]))
        for settings in ({}, {"negative": "hernia"}, {"guidance": 1.0}, {"fast": True, "steps": 50})
    ]
    assert np.array_equal(made[0], pixels(editor(sources(1), THREE.iloc[:1])))
    for other in made[1:]:
        assert not np.array_equal(made[0], other)


def test_fast_mode_is_told(folder):
    fast = opened(folder, steps=50, fast=True)
    assert fast.calls_per_edit == 8
    assert fast.facts["start_timestep"] == 399
    assert fast.facts["unguided_calls"] == 1
    assert fast.calls_per_generation == 20


def test_identity_is_of_everything_that_changes_pictures(folder, tmp_path):
    first = opened(folder).identity
    assert opened(folder).identity == first
    assert opened(folder, compute=choose_compute("cpu", precision="fp32", threads=1)).identity == first
    elsewhere = build(tmp_path / "elsewhere")
    assert opened(elsewhere).identity == first
    changes: list[dict[str, Any]] = [
        {"strength": 0.5},
        {"guidance": 3.0},
        {"steps": 20},
        {"scheduler": "ddim"},
        {"negative": "edema"},
        {"batch_size": 2},
        {"fast": True},
        {"compute": Compute("cpu", "bf16", 1)},
        {"vae": str(build(tmp_path / "other", seed=1))},
    ]
    others = [opened(folder, **change).identity for change in changes]
    assert len({first, *others}) == len(changes) + 1


def test_facts_are_json_and_say_every_part(editor, folder):
    facts = json.loads(json.dumps(editor.facts))
    assert set(facts["components"]) == {"unet", "vae", "text_encoder", "tokenizer"}
    assert facts["components"]["vae"]["source"] == f"{folder}:vae"
    assert (facts["unet_precision"], facts["vae_precision"], facts["native_side"]) == ("fp32", "fp32", 64)
    assert (facts["longest_prompt"], facts["batch_size"], facts["beta_schedule"]) == (77, 1, "scaled_linear")


def test_bf16_edits_are_near_those_of_fp32(folder, editor):
    half = opened(folder, compute=Compute("cpu", "bf16", CPU.threads))
    made, exact = (pixels(each(sources(1), THREE.iloc[:1])).astype(int) for each in (half, editor))
    assert half.facts["unet_precision"] == "bf16"
    assert 0 < np.abs(made - exact).mean() < 8


def test_images_that_cannot_be_decoded_are_errors_and_others_are_made(folder):
    editor = opened(folder)
    handle = editor.components.unet.register_forward_hook(lambda module, inputs, output: (output[0] * float("nan"),))
    try:
        outcomes = editor(sources(2), rows(("a", "edema", "edema", 1), ("b", "round trip", "", 2)))
    finally:
        handle.remove()
    assert isinstance(outcomes[0], ImageError)
    assert outcomes[0].reason == "not a number"
    assert isinstance(outcomes[1], Picture)


def test_no_room_in_memory_is_told(folder):
    editor = opened(folder, batch_size=2)

    def fail(module: Any, inputs: Any) -> None:
        raise torch.OutOfMemoryError("full")

    editor.components.unet.register_forward_pre_hook(fail)
    with pytest.raises(WorkFailedError) as caught:
        editor(sources(1), THREE.iloc[:1])
    assert caught.value.hint == "--batch-size 1"


def test_prompts_over_the_limit_are_refused_before_the_first_edit(editor):
    long = rows(("a", "x", "pneumonia " * 20 + "and edema", 1))
    with pytest.raises(UsageError, match="tokens, and the text encoder reads 77: "):
        editor(sources(1), long)
    with pytest.raises(UsageError, match="and edema' would be lost"):
        editor.check_prompts(["edema", "pneumonia " * 20 + "and edema"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strength": 4}, "strength is '4', it must be from 0 to 1"),
        ({"strength": 0.01}, "'10' steps x strength '0.01' is 0.1, and less than one step is none"),
        ({"guidance": 0.4}, "guidance is '0.4', it must be 1 or more"),
        ({"batch_size": 0}, "--batch-size is '0', it must be 1 or more"),
        ({"scheduler": "lms"}, "'lms' is not a known scheduler"),
        (
            {"negative": "x" * 90},
            f"'{'x' * 90}' has 92 tokens, and the text encoder reads 77: '{'x' * 90}' would be lost",
        ),
    ],
)
def test_settings_that_make_no_sense_are_refused(folder, settings, message):
    with pytest.raises(UsageError) as caught:
        opened(folder, **settings)
    assert caught.value.message == message


def test_layout_of_radedit_edits_once_its_noise_is_stated(folder, tmp_path):
    radedit = build(tmp_path / "radedit", without=("vae", "text_encoder", "tokenizer", "scheduler", "model_index.json"))
    parts = {name: str(folder) for name in ("vae", "text_encoder", "tokenizer")}
    with pytest.raises(DataError, match="nothing states its beta_schedule"):
        opened(radedit, **parts)
    editor = opened(radedit, **parts, scheduler="ddim?beta_schedule=linear&beta_start=0.0001&beta_end=0.02")
    assert editor.facts["beta_schedule"] == "linear"
    assert pixels(editor(sources(1), THREE.iloc[:1])).shape == (1, SIZE, SIZE)


def test_several_pictures_at_a_time_on_a_gpu_alone(editor):
    assert editor.batch_size == 1
    assert GPU_BATCH > 1


def test_script_writes_a_generator_and_nothing_asks_the_network(tmp_path):
    """In a process of its own, in which sockets fail, and with the hub's library not yet imported."""
    script = Path(__file__).with_name("tiny_pipeline.py")
    code = (
        "import runpy, socket, sys, os\n"
        "def forbid(*arguments, **settings): raise AssertionError('the network was asked')\n"
        "socket.socket.connect = socket.getaddrinfo = forbid\n"
        f"sys.argv = [{str(script)!r}, {str(tmp_path / 'tiny')!r}]\n"
        "from cxrshort.compute import choose_compute\n"
        "from cxrshort.generative.roentmod.diffusion import open_editor\n"
        "try:\n    open_editor(generator='models/roentgen', compute=choose_compute('cpu'))\n"
        "except Exception as error:\n    print(error)\n"
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "editor = open_editor(generator=sys.argv[1], compute=choose_compute('cpu', precision='fp32'))\n"
        "print(editor.calls_per_edit, os.environ['HF_HUB_OFFLINE'])\n"
    )
    root = Path(__file__).resolve().parents[3]
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root, env=environment
    ).stdout.splitlines()
    assert shown == ["'models/roentgen' does not exist", str(tmp_path / "tiny"), "20 1"]
