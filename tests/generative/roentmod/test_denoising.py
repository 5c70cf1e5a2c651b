"""The denoising loop against diffusers' own image-to-image pipeline, on a tiny generator."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cxrshort.compute import choose_compute, seeded_generator
from cxrshort.generative.roentmod.components import Components, load_components
from cxrshort.generative.roentmod.denoising import Guidance, denoise, draw_noise
from cxrshort.generative.roentmod.diffusion import FAST_UNGUIDED
from cxrshort.generative.roentmod.generator_files import find_generator
from cxrshort.generative.roentmod.noise_schedule import NoiseSchedule, noise_settings, schedule_edit
from cxrshort.generative.roentmod.text_conditioning import TextConditioning

from .known_noise import CASES, deviation, edited
from .tiny_pipeline import NOISE, build

CPU = choose_compute("cpu", precision="fp32")
SHAPE = (4, 8, 8)
SEEDS = (11, 12)
PROMPTS = ("cardiomegaly", "right pleural effusion")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("generators") / "tiny")


@pytest.fixture(scope="module")
def components(folder: Path) -> Components:
    loaded = load_components(find_generator(str(folder), {}), CPU)
    loaded.unet.to(memory_format=torch.contiguous_format)  # as the pipeline's, so that sums are in the same order
    return loaded


@pytest.fixture(scope="module")
def text(components: Components) -> TextConditioning:
    return TextConditioning(components.tokenizer, components.text_encoder, dtype=torch.float32)


def schedule(name: str = "ddim", *, strength: float = 0.4) -> NoiseSchedule:
    folder = {**NOISE, "set_alpha_to_one": False, "steps_offset": 1}
    edit = schedule_edit(noise_settings(name, folder), steps=10, strength=strength)
    assert edit is not None
    return edit


def latents() -> Tensor:
    return torch.randn((2, *SHAPE), generator=torch.Generator().manual_seed(3))


def own(components: Components, text: TextConditioning, edit: NoiseSchedule, **settings: Any) -> Tensor:
    guidance = Guidance(settings.get("scale", 4.0), text.embed(""), settings.get("unguided", 0))
    return denoise(
        components.unet,
        latents(),
        draw_noise(SEEDS, SHAPE),
        prompts=torch.stack([text.embed(prompt) for prompt in PROMPTS]),
        schedule=edit,
        guidance=guidance,
    )


def of_diffusers(folder: Path, edit: NoiseSchedule, *, scale: float = 4.0, strength: float = 0.4) -> Tensor:
    """Return the latents that diffusers' pipeline makes of the same latents and noise."""
    from diffusers import StableDiffusionImg2ImgPipeline

    pipeline = StableDiffusionImg2ImgPipeline.from_pretrained(
        folder, safety_checker=None, requires_safety_checker=False, low_cpu_mem_usage=False
    )
    pipeline.scheduler = edit.settings.scheduler()
    pipeline.set_progress_bar_config(disable=True)
    made: Tensor = pipeline(
        prompt=list(PROMPTS),
        image=latents(),
        strength=strength,
        num_inference_steps=10,
        guidance_scale=scale,
        generator=[seeded_generator(seed) for seed in SEEDS],
        output_type="latent",
    ).images
    return made


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(
    ("name", "scale", "strength"),
    [
        ("ddim", 4.0, 0.4),
        ("ddim", 1.0, 0.4),
        ("ddim", 4.0, 1.0),
        ("euler", 4.0, 0.4),
        ("dpm++", 4.0, 0.4),
        ("unipc", 4.0, 0.4),
        ("heun", 4.0, 0.4),
    ],
)
def test_latents_are_those_of_diffusers(folder, components, text, name, scale, strength):
    edit = schedule(name, strength=strength)
    expected = of_diffusers(folder, edit, scale=scale, strength=strength)
    actual = own(components, text, edit, scale=scale)
    assert (actual - latents()).abs().max() > 0.1
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-6)


def test_noise_is_that_of_the_seed_alone():
    first = draw_noise([5, 6], SHAPE)
    assert first.dtype == torch.float32
    assert torch.equal(first[1], draw_noise([6], SHAPE)[0])
    assert not torch.equal(first[0], first[1])


def test_calls_of_the_network_are_those_of_the_schedule(components, text):
    calls = []
    handle = components.unet.register_forward_pre_hook(lambda module, inputs: calls.append(len(inputs[0])))
    try:
        for name, expected in (("ddim", [4] * 4), ("pndm", [4] * 5), ("heun", [4] * 7)):
            own(components, text, schedule(name))
            assert calls == expected
            calls.clear()
        own(components, text, schedule("ddim"), unguided=1)
        assert calls == [4, 4, 4, 2]
        calls.clear()
        own(components, text, schedule("ddim"), scale=1.0)
        assert calls == [2] * 4
    finally:
        handle.remove()


def test_without_latents_it_begins_from_noise_alone(components, text):
    edit = schedule("euler", strength=1.0)
    seen = []
    handle = components.unet.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
    try:
        made = denoise(
            components.unet,
            None,
            draw_noise([1], SHAPE),
            prompts=text.embed("edema")[None],
            schedule=edit,
            guidance=Guidance(4.0, text.embed("")),
        )
    finally:
        handle.remove()
    assert made.shape == (1, *SHAPE)
    # Euler's input is scaled back to the variance of noise alone.
    torch.testing.assert_close(seen[0][0], draw_noise([1], SHAPE)[0], rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", list(CASES))
def test_fast_mode_is_near_the_usual_one_where_noise_is_known(name):
    """8 steps, the last one unguided, are within 7 % of what 20 change; 20 are within 4 % of 400."""
    fast = schedule_edit(noise_settings("dpm++", NOISE), steps=50, strength=0.4, fast=True)
    assert fast is not None
    assert deviation(CASES[name], fast, unguided=FAST_UNGUIDED) < 0.07
    usual = schedule_edit(noise_settings("dpm++", NOISE), steps=1000, strength=0.4)
    assert usual is not None
    assert deviation(CASES[name], usual) < 0.04


def test_guidance_matters_before_the_last_step_of_the_fast_mode():
    fast = schedule_edit(noise_settings("dpm++", NOISE), steps=50, strength=0.4, fast=True)
    assert fast is not None
    far = [max(deviation(network, fast, unguided=count) for network in CASES.values()) for count in (0, 1, 2)]
    assert far[1] < far[0] + 0.03
    assert far[2] > 2 * far[1]


def test_edits_of_gaussians_are_those_of_the_closed_form():
    """Without guidance the equation has a solution: the place in units of the standard deviation stays the same."""
    network, schedule_of_1000 = (
        CASES["Gaussians"],
        schedule_edit(noise_settings("dpm++", NOISE), steps=1000, strength=0.4),
    )
    assert schedule_of_1000 is not None
    latents, plain = edited(network, schedule_of_1000, unguided=schedule_of_1000.calls)
    noise = torch.randn((2, *latents.shape), generator=torch.Generator().manual_seed(0))[0]
    image_share, noise_share = schedule_of_1000.shares()
    mean, deviation_of_prompt = network.means[1], network.deviations[1]
    spread = (image_share**2 * deviation_of_prompt**2 + noise_share**2) ** 0.5
    noisy = image_share * latents + noise_share * noise
    expected = mean + deviation_of_prompt / spread * (noisy - image_share * mean)
    torch.testing.assert_close(plain, expected, rtol=0, atol=0.01)
    _, guided = edited(network, schedule_of_1000)
    assert float(guided.mean()) > float(plain.mean())
