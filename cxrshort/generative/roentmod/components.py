"""The networks of an image generator, loaded from safetensors files and checked against each other first.

Diffusers accepts parts that do not fit and fails in the first step, in the middle of a matrix product: a U-Net of eight
channels, a text encoder of another width. Here their descriptions are compared before weights are read.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from cxrshort.compute import Compute
from cxrshort.errors import DataError, UsageError
from cxrshort.generative.roentmod.generator_files import GeneratorFiles, Part

_TEXT_ENCODERS = {
    "clip_text_model": "CLIPTextModel",
    "clip": "CLIPTextModel",
    "bert": "BertModel",
    "cxr-bert": "BertModel",  # BiomedVLP's: a BERT with further heads, which an editor does not need
}
_CONDITIONS = ("addition_embed_type", "class_embed_type", "encoder_hid_dim_type", "time_cond_proj_dim")
"""What a U-Net may want besides a prompt; the settings are empty in those of Stable Diffusion 1.x and 2.x."""


@dataclass(frozen=True)
class Components:
    """Hold the loaded networks, in evaluation mode on the device.

    Args:
        unet: in the precision of matrix products.
        vae: in that precision too, or in fp32 where its configuration asks for it (``force_upcast``).
        text_encoder: in fp32.
        tokenizer: of transformers.
        files: where they came from.
    """

    unet: Any
    vae: Any
    text_encoder: Any
    tokenizer: Any
    files: GeneratorFiles

    @property
    def downscaling(self) -> int:
        """Return how many pixels a latent is wide."""
        return int(2 ** (len(self.vae.config.block_out_channels) - 1))


def load_components(files: GeneratorFiles, compute: Compute) -> Components:
    """Return the networks of a generator.

    Raises:
        UsageError: transformers is not installed, or torchvision does not match torch.
        DataError: parts do not fit each other, or weights are damaged or incomplete.
    """
    _check_libraries()
    check_fit(files.parts)
    dtype = torch.bfloat16 if compute.precision == "bf16" else torch.float32
    with _quiet():
        unet = _place(_load(files.parts["unet"]), compute, dtype)
        vae = load_vae(files.parts["vae"], compute, torch.float32 if _upcast(files.parts["vae"]) else dtype)
        encoder = _load_text_encoder(files.parts["text_encoder"]).eval().requires_grad_(False)
        tokenizer = _load_tokenizer(files.parts["tokenizer"])
    return Components(unet, vae, encoder.to(compute.torch_device), tokenizer, files)


def load_vae(part: Part, compute: Compute, dtype: torch.dtype) -> Any:
    """Return a VAE in a precision of its own."""
    with _quiet():
        return _place(_load(part), compute, dtype)


def _upcast(vae: Part) -> bool:
    """Return whether the configuration asks for fp32; diffusers' class does so by default, its old files do not."""
    return bool(vae.config.get("force_upcast", False))


def check_fit(parts: Mapping[str, Part]) -> None:
    """Refuse parts that do not fit each other, by their configurations.

    Raises:
        DataError: one is of another kind, or widths or channels differ.
    """
    unet, vae, encoder = (parts[name].config for name in ("unet", "vae", "text_encoder"))
    for name, expected in (("unet", "UNet2DConditionModel"), ("vae", "AutoencoderKL")):
        kind = parts[name].config.get("_class_name", expected)
        if kind != expected:
            raise DataError(
                f"'{parts[name].source}' is of the class '{kind}', and an editor needs '{expected}'",
                "give a Stable Diffusion 1.x or 2.x pipeline, as RoentGen is",
            )
    _check_channels(parts["unet"], parts["vae"])
    model_type = str(encoder.get("model_type", ""))
    if model_type not in _TEXT_ENCODERS:
        raise DataError(
            f"'{parts['text_encoder'].source}' is a text encoder of the type '{model_type}', which is not supported",
            f"one of: {', '.join(_TEXT_ENCODERS)}",
        )
    width = encoder.get("hidden_size", 512 if model_type.startswith("clip") else 768)
    wanted = unet.get("cross_attention_dim", 1280)
    if width != wanted:
        raise DataError(
            f"the text encoder '{parts['text_encoder'].source}' does not fit the U-Net: its embeddings have {width} "
            f"numbers, and the U-Net reads {wanted}",
            "--text-encoder and --tokenizer name those that the U-Net was trained with",
        )
    if vae.get("shift_factor"):
        raise DataError(
            f"the VAE '{parts['vae'].source}' shifts its latents, which no Stable Diffusion 1.x or 2.x does"
        )


def _check_channels(unet: Part, vae: Part) -> None:
    latent = int(vae.config.get("latent_channels", 4))
    channels, out = int(unet.config.get("in_channels", 4)), int(unet.config.get("out_channels", 4))
    if channels != latent:
        kind = {8: " (of the InstructPix2Pix kind)", 9: " (for inpainting)"}.get(channels, "")
        raise DataError(
            f"the U-Net '{unet.source}' takes {channels} channels{kind}, and the VAE makes {latent}",
            "give a U-Net for text-to-image, as RoentGen's is",
        )
    if out != channels:
        raise DataError(
            f"the U-Net '{unet.source}' returns {out} channels, not {channels}: its variance is learned too"
        )
    if extra := [name for name in _CONDITIONS if unet.config.get(name)]:
        raise DataError(
            f"the U-Net '{unet.source}' wants more than a prompt ({extra[0]} '{unet.config[extra[0]]}')",
            "give a Stable Diffusion 1.x or 2.x pipeline; SDXL is not supported",
        )


def _check_libraries() -> None:
    """Name a torchvision that does not match torch: transformers says of it that it has no CLIPImageProcessor.

    Raises:
        UsageError: torchvision does not match, or transformers is missing.
    """
    from importlib import metadata

    try:
        import torchvision  # noqa: F401 -- whether it can be imported is the question
    except Exception as error:  # operators that torch does not have are a RuntimeError, missing symbols an OSError
        version = metadata.version("torchvision")
        raise UsageError(
            f"torchvision '{version}' does not match torch '{torch.__version__}' ({_first_line(error)})",
            "install both together: pip install --upgrade torch torchvision",
        ) from error
    try:
        import transformers  # noqa: F401 -- as above
    except ImportError as error:
        raise UsageError(
            "the diffusion editor needs transformers, which is not installed", "pip install transformers"
        ) from error


def _load(part: Part) -> Any:
    import diffusers

    kind = {"unet": diffusers.UNet2DConditionModel, "vae": diffusers.AutoencoderKL}[part.name]
    with _as_data_error(part):
        model, report = kind.from_pretrained(
            part.folder,
            variant=part.variant,
            use_safetensors=True,
            local_files_only=True,
            low_cpu_mem_usage=False,
            output_loading_info=True,
        )
    return _whole(model, report, part)


def _load_text_encoder(part: Part) -> Any:
    import transformers

    kind = getattr(transformers, _TEXT_ENCODERS[part.config["model_type"]])
    with _as_data_error(part):
        config = kind.config_class.from_dict(dict(part.config))
        model, report = kind.from_pretrained(
            part.folder,
            config=config,
            variant=part.variant,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            dtype=torch.float32,
        )
    return _whole(model, report, part)


def _load_tokenizer(part: Part) -> Any:
    import transformers

    # BiomedVLP's tokenizer is BERT's under a name of its own, which only a program in its folder knows.
    words, settings = part.folder / "vocab.txt", part.folder / "tokenizer_config.json"
    has_program = settings.is_file() and '"auto_map"' in settings.read_text(encoding="utf-8", errors="replace")
    kind = transformers.BertTokenizerFast if has_program and words.is_file() else transformers.AutoTokenizer
    with _as_data_error(part):
        return kind.from_pretrained(part.folder, local_files_only=True, trust_remote_code=False)


def _whole(model: Any, report: Mapping[str, Any], part: Part) -> Any:
    """Return a model unless tensors were missing in its files, which then hold random numbers."""
    # Poolers are not read, and files of text-to-image generators may lack them.
    missing = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if missing:
        raise DataError(
            f"'{part.source}' lacks {len(missing)} tensors of its {part.name}, such as '{missing[0]}'",
            "fetch its weights again",
        )
    return model


def _place(model: Any, compute: Compute, dtype: torch.dtype) -> Any:
    """Return a network on the device, in evaluation mode; its convolutions are faster with channels last."""
    layout = torch.preserve_format if compute.torch_device.type == "mps" else torch.channels_last
    return model.eval().requires_grad_(False).to(compute.torch_device, dtype).to(memory_format=layout)


@contextlib.contextmanager
def _as_data_error(part: Part) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # diffusers, transformers and safetensors raise errors without a common ancestor
        raise DataError(
            f"'{part.folder}' cannot be read as a {part.name} ({_first_line(error)})", "fetch it again"
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep both libraries from writing progress and warnings to the terminal."""
    import diffusers
    import transformers

    settings = [library.utils.logging for library in (diffusers, transformers)]
    before = [(logging.get_verbosity(), logging.is_progress_bar_enabled()) for logging in settings]
    for logging in settings:
        logging.set_verbosity_error()
        logging.disable_progress_bar()
    try:
        yield
    finally:
        for logging, (verbosity, had_bars) in zip(settings, before, strict=True):
            logging.set_verbosity(verbosity)
            if had_bars:
                logging.enable_progress_bar()
