"""Options that the sub-commands of ``roentmod`` share, under the headings of their help."""

from typing import Annotated

from cxrshort.cli.options import DATA, MACHINE, option

GENERATOR = "Generator (--editor diffusion)"
PHANTOMS = "Phantoms (--editor phantom)"
SHARED = "Several machines"

Replicate = Annotated[
    int, option("--replicate", text="Split to take the fold of.", metavar="R", panel=DATA, default=True, least=0)
]
Where = Annotated[
    str,
    option(
        "--where",
        text="Edit the images that fulfil an expression: view == 'PA' and age_years >= 18.",
        metavar="EXPR",
        panel=DATA,
    ),
]
AllImages = Annotated[
    bool, option("--all-images", text="Edit images with findings too, not only those without.", panel=DATA)
]
Merge = Annotated[bool, option("--merge", text="Write the dataset from its N shards.", panel=SHARED)]
BatchSize = Annotated[
    int | None,
    option("--batch-size", text="Images made at a time.", metavar="N", panel=MACHINE, default="the editor's", least=1),
]
Generator = Annotated[
    str | None,
    option(
        "--generator",
        text="Pipeline in the format of diffusers, such as RoentGen's: a folder, or with --hub a hub id.",
        metavar="DIR",
        panel=GENERATOR,
    ),
]
Vae = Annotated[
    str | None,
    option(
        "--vae",
        text="Another autoencoder: a folder, or with --hub a hub id.",
        metavar="DIR",
        panel=GENERATOR,
        default="the pipeline's",
    ),
]
TextEncoder = Annotated[
    str | None,
    option("--text-encoder", text="Another text encoder.", metavar="DIR", panel=GENERATOR, default="the pipeline's"),
]
Tokenizer = Annotated[
    str | None,
    option("--tokenizer", text="Another tokenizer.", metavar="DIR", panel=GENERATOR, default="the pipeline's"),
]
Unet = Annotated[
    str | None,
    option("--unet", text="Another U-Net.", metavar="DIR", panel=GENERATOR, default="the pipeline's"),
]
Hub = Annotated[
    bool, option("--hub", text="Take these names as hub ids and download what is missing.", panel=GENERATOR)
]
Strength = Annotated[
    float | None,
    option(
        "--strength",
        text="Share of the steps that are made, 0 (round trip) to 1 (a new image).",
        metavar="S",
        panel=GENERATOR,
        default="0.4",
    ),
]
Guidance = Annotated[
    float | None,
    option(
        "--guidance",
        text="Guidance scale: how closely words are followed.",
        metavar="G",
        panel=GENERATOR,
        default="4",
    ),
]
Steps = Annotated[
    int | None,
    option("--steps", text="Denoising steps of the whole schedule.", metavar="N", panel=GENERATOR, default="50"),
]
Scheduler = Annotated[
    str | None,
    option(
        "--scheduler",
        text="Scheduler of the steps: dpm++, ddim, pndm, unipc, euler or heun.",
        metavar="NAME",
        panel=GENERATOR,
        default="dpm++",
    ),
]
Negative = Annotated[
    str | None,
    option("--negative", text="Words of what an edit should not show.", metavar="WORDS", panel=GENERATOR),
]
Fast = Annotated[
    bool,
    option("--fast", text="Fewer steps from the same start timestep; edits deviate slightly.", panel=GENERATOR),
]
Severity = Annotated[
    float | None,
    option(
        "--severity",
        text="Severity of the added findings, above 0 and at most 1.",
        metavar="S",
        panel=PHANTOMS,
        default="0.7",
    ),
]
KeepNoise = Annotated[
    bool,
    option("--keep-noise", text="Keep the noise of the original, so that only the finding changes.", panel=PHANTOMS),
]
