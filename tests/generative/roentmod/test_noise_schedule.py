"""Steps, calls and start timesteps against those of diffusers, and the cases in which it goes wrong."""

import math

import pytest
import torch

from cxrshort.errors import DataError, UsageError
from cxrshort.generative.roentmod.noise_schedule import (
    SCHEDULERS,
    NoiseSchedule,
    noise_settings,
    schedule_edit,
    trailing,
)

from .tiny_pipeline import NOISE


def schedule(
    name: str = "dpm++", *, steps: int = 50, strength: float = 0.4, fast: bool = False, **folder: object
) -> NoiseSchedule:
    result = schedule_edit(noise_settings(name, {**NOISE, **folder}), steps=steps, strength=strength, fast=fast)
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("name", "calls"), [("dpm++", 20), ("ddim", 20), ("unipc", 20), ("euler", 20), ("pndm", 21), ("heun", 39)]
)
def test_strength_of_the_paper_takes_20_steps_from_timestep_399(name, calls):
    edit = schedule(name)
    assert (edit.taken, edit.calls, edit.start) == (20, calls, 399)
    record = edit.record()
    assert (record["denoising_steps"], record["unet_calls"], record["start_timestep"]) == (20, calls, 399)


@pytest.mark.parametrize("name", list(SCHEDULERS))
def test_shares_at_the_start_are_those_that_noise_is_added_with(name):
    edit = schedule(name)
    image, noise = edit.shares()
    assert image**2 + noise**2 == pytest.approx(1)
    scheduler, timesteps = edit.begun()
    ones = torch.ones(1, 1)
    added = [scheduler.add_noise(ones * a, ones * b, timesteps[:1]).item() for a, b in ((1, 0), (0, 1))]
    assert added[1] / added[0] == pytest.approx(noise / image, rel=1e-5)


def test_leading_spacing_starts_where_the_pipeline_of_diffusers_does():
    starts = [schedule("ddim?timestep_spacing=leading", steps=steps, steps_offset=1).start for steps in (50, 20)]
    assert starts == [381, 351]
    assert schedule("ddim?timestep_spacing=leading", steps=50, steps_offset=1).shares() == pytest.approx(
        (0.675, 0.738), abs=1e-3
    )


@pytest.mark.parametrize(
    ("steps", "strength", "taken"), [(50, 0.58, 29), (100, 0.29, 29), (100, 0.57, 57), (50, 1, 50)]
)
def test_product_of_steps_and_strength_is_rounded_not_truncated(steps, strength, taken):
    assert schedule("ddim", steps=steps, strength=strength).taken == taken


def test_strengths_of_the_papers_grid_take_their_steps():
    grid = [0.2 + 0.8 * number / 9 for number in range(10)]
    assert [schedule(strength=strength).taken for strength in grid] == [10, 14, 19, 23, 28, 32, 37, 41, 46, 50]


def test_pndm_calls_twice_at_its_second_timestep():
    assert schedule("pndm", steps=10).timesteps == (399, 299, 299, 199, 99)
    assert schedule("pndm", steps=10, strength=0.1).timesteps == (99,)


@pytest.mark.parametrize("name", list(SCHEDULERS))
def test_solvers_recover_an_image_that_the_network_knows(name):
    """A network that knows the noise exactly leads any solver back to the image."""
    edit = schedule(name)
    image, noise = torch.full((1, 1), 0.7), torch.full((1, 1), -0.4)
    scheduler, timesteps = edit.begun()
    noisy = scheduler.add_noise(image, noise, timesteps[:1])
    for timestep in timesteps:
        scaled = scheduler.scale_model_input(noisy, timestep)
        kept = scheduler.alphas_cumprod[int(timestep)]
        prediction = (scaled - kept.sqrt() * image) / (1 - kept).sqrt()
        noisy = scheduler.step(prediction, timestep, noisy, return_dict=False)[0]
    # Schedulers of discrete steps end at the noise of timestep 0 (3 %), those of sigmas at none.
    assert noisy.item() == pytest.approx(0.7, abs=0.03)


def test_strength_0_takes_no_step_and_less_than_one_is_refused():
    settings = noise_settings("dpm++", NOISE)
    assert schedule_edit(settings, steps=50, strength=0) is None
    assert schedule(strength=0.02).taken == 1
    with pytest.raises(UsageError) as caught:
        schedule_edit(settings, steps=50, strength=0.01)
    assert caught.value.message == "'50' steps x strength '0.01' is 0.5, and less than one step is none"
    assert caught.value.hint == "at least 100 steps, or strength 0 for the plain round trip through the VAE"


@pytest.mark.parametrize("strength", [4, -0.1, math.nan])
def test_strength_outside_0_to_1_is_refused(strength):
    with pytest.raises(UsageError) as caught:
        schedule_edit(noise_settings("dpm++", NOISE), steps=50, strength=strength)
    assert caught.value.message == f"strength is '{strength:g}', it must be from 0 to 1"
    swapped = "the paper's text has strength and guidance swapped: strength 0.4, guidance 4"
    assert caught.value.hint == (swapped if strength == 4 else "such as 0.4")


def test_steps_below_1_are_refused():
    with pytest.raises(UsageError, match="steps is '0', it must be 1 or more"):
        schedule_edit(noise_settings("dpm++", NOISE), steps=0, strength=0.4)


def test_fast_mode_starts_at_the_same_timestep():
    fast = schedule(fast=True)
    assert fast.timesteps == (399, 349, 299, 249, 199, 149, 99, 49)
    assert fast.begun()[1].tolist() == list(fast.timesteps)
    assert schedule(steps=10, fast=True).calls == 4
    assert schedule(steps=5, fast=True).calls == 2
    assert schedule(strength=0.58, fast=True).start == schedule(strength=0.58).start == 579


def test_timesteps_of_the_fast_mode_are_the_usual_ones_where_none_is_left_out():
    edit = schedule()
    assert trailing(edit.start, edit.calls) == edit.timesteps


def test_fast_mode_needs_its_solver():
    with pytest.raises(UsageError) as caught:
        schedule("ddim", fast=True)
    assert caught.value.message == "the fast mode needs the scheduler 'dpm++', and this is 'ddim'"


def test_karras_sigmas_are_refused_and_those_of_the_folder_are_not_used():
    with pytest.raises(UsageError) as caught:
        noise_settings("dpm++?use_karras_sigmas=true", NOISE)
    assert "'use_karras_sigmas' spaces the noise otherwise" in caught.value.message
    edit = schedule(use_karras_sigmas=True)
    assert edit.start == 399
    assert edit.record()["ignored_settings"] == ["use_karras_sigmas"]


def test_karras_sigmas_would_start_elsewhere():
    from diffusers import DPMSolverMultistepScheduler

    scheduler = DPMSolverMultistepScheduler(**NOISE, use_karras_sigmas=True)
    with pytest.warns(DeprecationWarning):
        scheduler.set_timesteps(50)
    assert int(scheduler.timesteps[30]) == 228


def test_noise_of_the_folder_is_used_and_options_replace_it():
    settings = noise_settings("ddim?beta_schedule=linear&beta_end=0.02", {**NOISE, "prediction_type": "v_prediction"})
    assert settings.config["beta_schedule"] == "linear"
    assert (settings.config["beta_start"], settings.config["beta_end"]) == (0.00085, 0.02)
    assert settings.config["prediction_type"] == "v_prediction"
    assert settings.scheduler().config.clip_sample is False


def test_generator_that_does_not_state_its_noise_is_refused_until_the_user_does():
    with pytest.raises(DataError) as caught:
        noise_settings("dpm++?beta_schedule=linear", None)
    assert caught.value.message == (
        "the generator has no scheduler/scheduler_config.json, and nothing states its beta_start"
    )
    assert "'ddim?beta_schedule=linear&beta_start=0.0001&beta_end=0.02' for RadEdit" in caught.value.hint
    settings = noise_settings("ddim?beta_schedule=linear&beta_start=0.0001&beta_end=0.02", None)
    edit = schedule_edit(settings, steps=50, strength=0.4)
    assert edit is not None
    assert edit.record()["beta_schedule"] == "linear"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dmp++", "'dmp++' is not a known scheduler"),
        ("ddim?beta_schedule=lin", "'lin' is not a known beta schedule"),
        ("ddim?beta_start=0", "'beta_start=0' is not a number above 0"),
        ("ddim?num_train_timesteps=x", "'num_train_timesteps=x' is not a number above 0"),
        ("ddim?eta=1", "'eta' is not a known option of 'ddim'"),
    ],
)
def test_unknown_words_are_refused(text, message):
    with pytest.raises(UsageError) as caught:
        noise_settings(text, NOISE)
    assert caught.value.message == message


def test_noise_of_zero_terminal_snr_needs_a_scheduler_that_follows_it():
    assert noise_settings("dpm++", {**NOISE, "rescale_betas_zero_snr": True}).config["rescale_betas_zero_snr"] is True
    with pytest.raises(UsageError, match="'heun' cannot follow noise"):
        noise_settings("heun", {**NOISE, "rescale_betas_zero_snr": True})
