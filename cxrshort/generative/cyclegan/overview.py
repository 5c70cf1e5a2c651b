"""Printed overview of the training of a CycleGAN, or of its dry run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cxrshort import forecasts
from cxrshort.generative.cyclegan.job import SAMPLES
from cxrshort.results import Result, Text, text_table
from cxrshort.training.folders import CURVE


def cyclegan_result(summary: Mapping[str, Any]) -> Result:
    """Return what a training reached: how much images change, and whether they come back.

    Args:
        summary: as run.json has it; an empty one in all processes but the first.
    """
    if not summary:
        return Result()
    model, last = Path(summary["model"]), summary["last"]
    rows = [
        [
            f"toward {summary['sides'][direction]}",
            f"{last[f'change_{direction}']:.1f}",
            f"{last[f'spread_{direction}']:.0%}",
            f"{last[f'discriminator_{direction}']:.3f}",
            f"{last[f'generator_{direction}']:.3f}",
        ]
        for direction in ("to", "from")
    ]
    header = ["direction", "mean change of 255", "variety kept", "discriminator loss", "generator loss"]
    cycle = 127.5 * last["cycle"] / 2  # of both directions, in the range from -1 to 1
    images = summary["images"]
    text = Text(
        f"trained on {images['from']:,} images of --from and {images['to']:,} of --to in {summary['steps']:,} steps; "
        f"there and back, images differ by {cycle:.1f} of 255 on average"
    )
    sheets = sorted((model.parent / SAMPLES).glob("step-*.png"))[-1:]
    figures = [path for path in (model.parent / CURVE, *sheets) if path.is_file()]
    return Result(
        summary,
        (text_table(header, rows, counts=(1, 2, 3, 4)), text),
        figures,
        (*_notes(summary), *summary["diagnosis"]),
        model.parent,
        model,
        kind="cyclegan-training",
    )


def cyclegan_forecast(summary: Mapping[str, Any]) -> Result:
    """Return what a dry run of the training says.

    Args:
        summary: as :func:`cxrshort.generative.cyclegan.job.forecast_cyclegan` returns it.
    """
    facts = [
        ("from", f"{summary['sides']['from']}: {summary['images']['from']:,} images"),
        ("to", f"{summary['sides']['to']}: {summary['images']['to']:,} images"),
        ("networks", f"{summary['parameters']:,} parameters"),
        ("epochs", f"{summary['epochs']:,}, {summary['steps']:,} steps"),
        ("step", f"{summary['batch_size']:,} images of each side in {summary['seconds_per_step']:g} s"),
    ]
    return forecasts.dry_run(summary, facts, notes=_notes(summary))


def _notes(summary: Mapping[str, Any]) -> list[str]:
    """Return which sides were drawn down."""
    return [
        f"{summary['images'][side]:,} of the {summary['available'][side]:,} training images of --{side} are used, "
        "drawn at random; --per-class takes more"
        for side in ("from", "to")
        if summary["images"][side] < summary["available"][side]
    ]
