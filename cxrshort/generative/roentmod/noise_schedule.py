"""Which steps an edit takes through the noise: schedulers of diffusers, the start timestep, the number of U-Net calls.

Strength is not a noise level: ``round(steps x strength)`` steps are taken, the last ones of the schedule, and where the
first of them lies depends on spacing and scheduler. At 50 steps and strength 0.4 the start is timestep 399 of 1000 with
trailing spacing, 381 with leading, 250 at 12 leading steps, and 228 with Karras sigmas. So spacing is trailing unless
the user names another, Karras sigmas are refused, and the start timestep is reported with every edit.

What diffusers' own image-to-image pipeline does otherwise: it truncates ``steps x strength`` (.58 x 50 gives 28), and
its PNDM begins in the middle of its first step, so that it makes 21 calls for 20 steps with latents that are one step
noisier than the U-Net is told. Here 21 calls are made as well, the second and the third at the same timestep, as in a
run from pure noise.

What would invalidate a comparison of edits: another beta schedule than the generator was trained with, which nothing
but the pictures would show; a folder that does not state it is refused until the user does.
"""

import contextlib
import inspect
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cxrshort.errors import DataError, UsageError
from cxrshort.models.sources.options import Options
from cxrshort.registry import check_name

SCHEDULERS = {
    "dpm++": ("DPMSolverMultistepScheduler", "DPM-Solver++ 2M, a multistep solver; one U-Net call per step"),
    "ddim": ("DDIMScheduler", "DDIM without noise of its own; one U-Net call per step"),
    "pndm": ("PNDMScheduler", "PLMS, which Stable Diffusion 1.x ships; one U-Net call more than steps"),
    "unipc": ("UniPCMultistepScheduler", "UniPC, a multistep predictor-corrector; one U-Net call per step"),
    "euler": ("EulerDiscreteScheduler", "Euler steps; one U-Net call per step"),
    "heun": ("HeunDiscreteScheduler", "Heun's second-order steps; two U-Net calls per step but the last"),
}
"""Schedulers by name: the class of diffusers, and one line of help. All are deterministic."""
DEFAULT_SCHEDULER = "dpm++"
SETTINGS: dict[str, Any] = {
    "beta_schedule": ("linear", "scaled_linear", "squaredcos_cap_v2"),
    "beta_start": float,
    "beta_end": float,
    "prediction_type": ("epsilon", "v_prediction", "sample"),
    "timestep_spacing": ("trailing", "leading", "linspace"),
    "num_train_timesteps": int,
}
"""What may follow a scheduler's name (``dpm++?beta_schedule=linear&...``), in place of what the folder says."""
_OF_THE_FOLDER = (*SETTINGS, "trained_betas", "steps_offset", "set_alpha_to_one", "rescale_betas_zero_snr")
_OTHER_SIGMAS = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas")
_EXAMPLES = (
    "add it to --scheduler: 'dpm++?beta_schedule=scaled_linear&beta_start=0.00085&beta_end=0.012' for Stable Diffusion "
    "and RoentGen, 'ddim?beta_schedule=linear&beta_start=0.0001&beta_end=0.02' for RadEdit"
)
FAST_SHARE = 0.4
"""Steps of the fast mode over those of the usual one: 8 of 20."""
FEWEST_FAST = 4


@dataclass(frozen=True)
class NoiseSettings:
    """Hold a scheduler and the noise that a generator was trained with.

    Args:
        name: one of `SCHEDULERS`.
        config: what diffusers' class is built with.
        ignored: settings of the folder that are not used, such as ``use_karras_sigmas``.
    """

    name: str
    config: Mapping[str, Any]
    ignored: tuple[str, ...] = ()

    def scheduler(self) -> Any:
        """Return a new scheduler of diffusers; it holds the state of one run."""
        import diffusers

        with _calls_of_older_numpy():
            return getattr(diffusers, SCHEDULERS[self.name][0])(**self.config)


def noise_settings(text: str, folder: Mapping[str, Any] | None) -> NoiseSettings:
    """Return the scheduler that a user asks for, with the noise that the generator's folder states.

    Args:
        text: a name of `SCHEDULERS`, with `SETTINGS` behind it where they differ: ``ddim?beta_schedule=linear``.
        folder: the content of ``scheduler_config.json``; None where there is none.

    Raises:
        UsageError: an unknown name or value, or spacing of another kind.
        DataError: neither the folder nor the user states the beta schedule.
    """
    import diffusers

    _refuse_other_sigmas(text)
    options = Options.parse(text, allowed=tuple(SETTINGS))
    check_name(SCHEDULERS, options.name, kind="scheduler")
    own = {name: _value(name, value) for name, value in options.values.items()}
    needed = [name for name in ("beta_schedule", "beta_start", "beta_end") if name not in own]
    if folder is None and needed:
        raise DataError(
            f"the generator has no scheduler/scheduler_config.json, and nothing states its {needed[0]}", _EXAMPLES
        )
    stated = {name: value for name, value in (folder or {}).items() if name in _OF_THE_FOLDER and value is not None}
    config = {**stated, "timestep_spacing": "trailing", **own}
    parameters = inspect.signature(getattr(diffusers, SCHEDULERS[options.name][0]).__init__).parameters
    if config.get("rescale_betas_zero_snr") and "rescale_betas_zero_snr" not in parameters:
        raise UsageError(
            f"'{options.name}' cannot follow noise that was rescaled to zero terminal SNR, as this generator's was",
            "one of: dpm++, unipc, ddim, euler",
        )
    config = {name: value for name, value in config.items() if name in parameters} | _fixed(options.name)
    ignored = tuple(name for name in _OTHER_SIGMAS if (folder or {}).get(name))
    return NoiseSettings(options.name, config, ignored)


def _fixed(name: str) -> dict[str, Any]:
    """Return the settings of a class that latents need."""
    return {"ddim": {"clip_sample": False}, "pndm": {"skip_prk_steps": True}}.get(name, {})


def _refuse_other_sigmas(text: str) -> None:
    for name in _OTHER_SIGMAS:
        if f"{name}=" in text:
            raise UsageError(
                f"'{name}' spaces the noise otherwise, so that the same strength starts elsewhere (0.4 of 50 steps at "
                "timestep 228 in place of 399)",
                "leave it out, and lower --strength where a weaker edit is wanted",
            )


def _value(name: str, text: str) -> Any:
    allowed = SETTINGS[name]
    if isinstance(allowed, tuple):
        check_name(allowed, text, kind=name.replace("_", " "))
        return text
    try:
        value = allowed(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise UsageError(f"'{name}={text}' is not a number above 0", f"such as {name}=0.012")
    return value


@dataclass(frozen=True)
class NoiseSchedule:
    """Hold the steps of an edit.

    Args:
        settings: the scheduler and its noise.
        steps: of the whole schedule, of which an edit takes the last ones.
        timesteps: at which the U-Net is called, from the start; rounded where a scheduler has some in between.
        begin: place of the first one in the whole schedule.
        custom: whether they are other ones than the last of the scheduler's own, as in the fast mode.
        taken: denoising steps.
    """

    settings: NoiseSettings
    steps: int
    timesteps: tuple[int, ...]
    begin: int
    custom: bool
    taken: int

    @property
    def calls(self) -> int:
        """Return how often the U-Net is called for a batch of edits."""
        return len(self.timesteps)

    @property
    def start(self) -> int:
        """Return the first timestep, at which noise is added to the image."""
        return self.timesteps[0]

    def begun(self, device: Any = "cpu") -> tuple[Any, Any]:
        """Return a scheduler of diffusers that stands at the first step, and its timesteps, a tensor (calls,)."""
        scheduler = self.settings.scheduler()
        own = self.custom and self.settings.name != "pndm"
        with _calls_of_older_numpy():
            if own:
                scheduler.set_timesteps(timesteps=list(self.timesteps), device=device)
            else:
                scheduler.set_timesteps(self.steps, device=device)
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(self.begin)
        if self.custom:
            return scheduler, scheduler.timesteps.new_tensor(self.timesteps)
        return scheduler, scheduler.timesteps[self.begin :]

    def record(self) -> dict[str, Any]:
        """Return what people are told: steps, calls, the start, and how much of the image is left there."""
        image, noise = self.shares()
        config = self.settings.config
        return {
            "scheduler": self.settings.name,
            "scheduler_class": SCHEDULERS[self.settings.name][0],
            **{name: config.get(name) for name in SETTINGS if name in config},
            "denoising_steps": self.taken,
            "unet_calls": self.calls,
            "start_timestep": self.start,
            "image_share": round(image, 4),
            "noise_share": round(noise, 4),
            **({"ignored_settings": list(self.settings.ignored)} if self.settings.ignored else {}),
        }

    def shares(self) -> tuple[float, float]:
        """Return the factors of image and noise at the start; their squares add up to 1."""
        kept = float(self.settings.scheduler().alphas_cumprod[self.start])
        return math.sqrt(kept), math.sqrt(1 - kept)


def schedule_edit(settings: NoiseSettings, *, steps: int, strength: float, fast: bool = False) -> NoiseSchedule | None:
    """Return the steps of an edit; None for strength 0, which changes nothing.

    Args:
        settings: the scheduler and its noise.
        steps: of the whole schedule.
        strength: share of them that are taken, from 0 to 1; the product is rounded.
        fast: take `FAST_SHARE` of these, from the same start.

    Raises:
        UsageError: strength is not from 0 to 1, no step would be taken, or the fast mode cannot use the scheduler.
    """
    if not 0 <= strength <= 1:
        hint = "the paper's text has strength and guidance swapped: strength 0.4, guidance 4" if strength > 1 else ""
        raise UsageError(f"strength is '{strength:g}', it must be from 0 to 1", hint or "such as 0.4")
    if steps < 1:
        raise UsageError(f"steps is '{steps}', it must be 1 or more", "such as 50")
    if fast and settings.name != "dpm++":
        raise UsageError(f"the fast mode needs the scheduler 'dpm++', and this is '{settings.name}'", "leave one out")
    if not strength:
        return None
    if steps * strength < 1 - 1e-9:
        raise UsageError(
            f"'{steps}' steps x strength '{strength:g}' is {steps * strength:g}, and less than one step is none",
            f"at least {math.ceil(1 / strength)} steps, or strength 0 for the plain round trip through the VAE",
        )
    taken = math.floor(steps * strength + 0.5)
    try:
        return _schedule(settings, steps=steps, taken=taken, fast=fast)
    except (ValueError, IndexError) as error:
        raise UsageError(
            f"'{settings.name}' cannot take {taken} of {steps} steps ({error})", "choose other --steps, such as 50"
        ) from error


def _schedule(settings: NoiseSettings, *, steps: int, taken: int, fast: bool) -> NoiseSchedule:
    scheduler = settings.scheduler()
    with _calls_of_older_numpy():
        scheduler.set_timesteps(steps)
    whole = [round(float(timestep)) for timestep in scheduler.timesteps]
    if settings.name == "pndm":
        distinct = sorted(set(whole), reverse=True)[steps - taken :]
        return NoiseSchedule(settings, steps, tuple(_twice_the_second(distinct)), 0, True, taken)
    begin = (steps - taken) * scheduler.order
    if fast:
        fewer = max(min(FEWEST_FAST, taken), math.floor(FAST_SHARE * taken + 0.5))
        return NoiseSchedule(settings, steps, trailing(whole[begin], fewer), 0, True, fewer)
    return NoiseSchedule(settings, steps, tuple(whole[begin:]), begin, False, taken)


@contextlib.contextmanager
def _calls_of_older_numpy() -> Iterator[None]:
    """Let schedulers turn tensors into arrays as torch and NumPy advise against."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def _twice_the_second(timesteps: Sequence[int]) -> list[int]:
    return [*timesteps[:2], *timesteps[1:]]


def trailing(start: int, count: int) -> tuple[int, ...]:
    """Return timesteps from a start, spaced evenly, that leave one space to the clean image.

    Example:
        >>> trailing(399, 4)
        (399, 299, 199, 99)
    """
    return tuple(round((start + 1) * (count - number) / count) - 1 for number in range(count))
