"""What a dry run says: what would be read and written, and what it would take."""

from collections.abc import Mapping, Sequence
from typing import Any

from cxrshort.cli.tables import counts, line, pairs
from cxrshort.forecasts import speed_text

_FATES = {
    "new": "",
    "replaced": " (exists; --force overwrites it)",
    "resumed": " (unfinished; --resume continues it)",
    "complete": " (complete already; --resume would leave it as it is)",
    "refused": " (exists; this run would be refused)",
}
_LISTED = 6
"""Folders or files that are named one by one."""


def plan(result: Mapping[str, Any]) -> None:
    """Print the plan of any verb, the facts that it has."""
    rows = [("would read", each) for each in _first(result["reads"])]
    rows += [("would write", text) for text in _first([_output(each) for each in result["outputs"]])]
    rows += [(name, text) for name, text in [*_what(result), *_cost(result)] if text]
    # A name stands once, at the first of its lines.
    before = ["", *(name for name, _ in rows)]
    pairs([(name if name != previous else "", text) for (name, text), previous in zip(rows, before, strict=False)])
    for each in result["outputs"]:
        if each["fate"] == "refused":
            return line(f"\nas it stands, the run would be refused: {each['reason']}; {each['hint']}")
    return line("\nnothing was written")


def _first(texts: Sequence[str]) -> list[str]:
    more = len(texts) - _LISTED
    return [*texts[:_LISTED], f"and {more} more"] if more > 0 else list(texts)


def _output(output: Mapping[str, str]) -> str:
    return output["folder"] + _FATES[output["fate"]]


def _what(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the facts about the work itself."""
    found = [
        ("dataset", result.get("dataset", "")),
        ("architecture", _architecture(result)),
        ("labels", _labels(result)),
        ("label", result.get("label") or ""),
    ]
    if "candidates" in result:
        left_out = sum(result["excluded"].values())
        found.append(("candidates", f"{result['candidates']:,} = {result['rows']:,} rows + {left_out:,} excluded"))
        found += [("excluded", f"{count:,} {reason}") for reason, count in result["excluded"].items()]
        found.append(("images to make", f"{result['images_to_make']:,}, {result['size']} x {result['size']} pixels"))
    if isinstance(result.get("images"), Mapping):
        found.append(("images", counts(result["images"])))
    elif "images" in result:
        found.append(("images to score", f"{result['images']:,} ({counts(result['by_dataset'])})"))
    if "epochs" in result:
        found.append(("epochs", str(result["epochs"])))
    if "runs" in result:
        found.append(("trainings", str(result["runs"])))
    return found


def _architecture(result: Mapping[str, Any]) -> str:
    return f"{result['architecture']}, {result['parameters']:,} parameters" if "architecture" in result else ""


def _labels(result: Mapping[str, Any]) -> str:
    return ", ".join(result.get("labels", []))


def _cost(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what the work would take, from a short trial."""
    disk = sum(result.get(name, 0.0) for name in ("disk_mib", "state_mib"))
    found = [("disk", f"{size(disk)} of {size(result['disk_free_mib'])} free")]
    if "memory_mib" in result:
        each = " for each of " + f"{result['jobs']} workers" if result.get("jobs", 1) > 1 else ""
        gpu = f", and {size(result['gpu_memory_mib'])} of the GPU's" if "gpu_memory_mib" in result else ""
        found.append(("memory", f"{size(result['memory_mib'])}{each}{gpu}"))
    if "images_per_second" in result:
        hours = result.get("hours_of_all_runs", result.get("hours", result.get("minutes", 0.0) / 60))
        where = f" on {result['device']}" if "device" in result else ""
        found.append(("time", f"{duration(hours)}, at {speed_text(result['images_per_second'])}{where}"))
    return found


def size(mib: float) -> str:
    """Return an amount of memory as people say it."""
    if mib >= 1024:
        return f"{mib / 1024:,.1f} GiB"
    return f"{mib:.1f} MiB" if mib < 10 else f"{mib:.0f} MiB"


def duration(hours: float) -> str:
    """Return a time as people say it."""
    if hours < 1 / 60:
        return "less than a minute"
    if hours < 1.5:
        minutes = round(60 * hours)
        return f"{minutes} minute{'s' if minutes > 1 else ''}"
    return f"{hours:,.1f} hours"
