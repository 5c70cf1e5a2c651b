"""Can I report it: time, device-hours, parameters and throughput of the runs below a folder, and learning curves.

What would mislead:

- Time beside other work. Hours are those of the clock; a busy machine makes them longer.
- A resumed run. Its run.json knows the last session alone, so a training counts at least the time of all its epochs.
- Runs within runs (replicates, members of ensembles, trials of a grid). The outer run counts what is left of its time.
- Work that was thrown away. Interrupted and deleted runs have no run.json, and cost all the same.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from cxrshort.errors import CxrshortError, UsageError
from cxrshort.results import VERBOSE, Block, Column, Result, Table
from cxrshort.runs import LOG
from cxrshort.verbs.stats.model_headers import read_tensor_sizes
from cxrshort.verbs.stats.output import Draw, check_figures, clean_record, write_result
from cxrshort.verbs.stats.run_folders import MODEL, RunFolder, find_runs
from cxrshort.verbs.stats.source import PREDICTIONS

KIND = "stats-cost"
_BUFFERS = ("running_mean", "running_var", "num_batches_tracked")
"""Ends of the names of tensors that no step changes by a gradient."""
_REPEATED = ("replicate-", "member-", "trial-")
"""Beginnings of the names of folders that repeat what their parent is called."""


def cost(
    folders: Sequence[Path],
    *,
    out: Path | None = None,
    figures: bool = False,
    force: bool = False,
) -> Result:
    """Return what the finished runs below some folders have cost.

    Args:
        folders: searched for run folders.
        out: a folder for runs.csv, totals.csv, summary.json and run.json; None writes nothing.
        figures: draw learning-curves.png too.
        force: overwrite an earlier result.

    Raises:
        MissingInputError: a folder is not there, or no run lies below the folders.
        UsageError: no folder.
    """
    check_figures(out, figures=figures)
    if not folders:
        raise UsageError("no folder to search", "give a folder of runs, such as runs")
    runs, notes = find_runs(folders)
    rows = [_describe(run, inner) for run, inner in _nested(runs)]
    totals = _totals(rows)
    arguments: dict[str, Any] = {"folders": list(map(str, folders))}
    summary = {**arguments, "runs": rows, "totals": totals, "device_hours": _by_device(rows)}
    notes = [*notes, "interrupted and deleted runs are not seen, and cost all the same"]
    curves = [(run, row) for run, row in zip(runs, rows, strict=True) if run.summary.get("history")]
    if figures and not curves:
        notes.append("no training with epochs, so no learning curve is drawn")
    result = Result(summary, _blocks(rows, totals), notes=notes, kind=KIND)
    return write_result(
        result,
        "stats cost",
        source=None,
        arguments=arguments,
        out=out,
        tables={"runs.csv": rows, "totals.csv": totals},
        draw=_drawing(curves) if figures and curves else None,
        force=force,
    )


def _nested(runs: Sequence[RunFolder]) -> list[tuple[RunFolder, list[RunFolder]]]:
    """Return each run with the runs directly within it."""
    places = {run.folder.resolve(): run for run in runs}
    within: dict[Path, list[RunFolder]] = {place: [] for place in places}
    for place, run in places.items():
        outer = next((parent for parent in place.parents if parent in places), None)
        if outer is not None:
            within[outer].append(run)
    return [(run, within[place]) for place, run in places.items()]


def _seconds(run: RunFolder) -> float:
    """Return the time of a run, at least that of the epochs in its log: a resumed run knows its last session alone."""
    epochs = [float(event.get("seconds", 0.0)) for event in _events(run) if event.get("event") == "epoch"]
    return max(run.seconds, sum(epochs))


def _events(run: RunFolder) -> list[dict[str, Any]]:
    """Return the events of a training's log; damaged lines, which a kill leaves behind, are left out."""
    path = run.folder / LOG
    if run.verb != "train" or not path.is_file():
        return []
    events = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return events


def _describe(run: RunFolder, inner: Sequence[RunFolder]) -> dict[str, Any]:
    # The run.json of a series names no device: it is that of its runs.
    machine = next((part.arguments for part in (run, *inner) if "device" in part.arguments), {})
    device = str(machine.get("device", "cpu")).partition(":")[0]
    processes = int(machine.get("processes") or 1)
    seconds = max(_seconds(run) - sum(map(_seconds, inner)), 0.0)
    history = run.summary.get("history") or []
    return clean_record(
        {
            "run": run.name,
            "verb": run.verb,
            "group": _group(run),
            "started": run.started.isoformat(),
            "hours": seconds / 3600,
            "device": device,
            "devices": processes,
            "threads": machine.get("threads"),
            "device_hours": seconds / 3600 * processes,
            "parameters": count_parameters(run.folder / MODEL),
            "images": _images(run),
            "epochs": len(history) or None,
            "images_per_second": _throughput(run, seconds),
            "contains_runs": len(inner),
        }
    )


def _group(run: RunFolder) -> str:
    """Return the place of a training, or of the runs that it is a replicate, a member or a trial of; else the verb."""
    if run.verb != "train":
        return run.verb
    parent, _, last = run.name.rpartition("/")
    return (parent or run.folder.parent.name) if last.startswith(_REPEATED) else run.name


def _images(run: RunFolder) -> int | None:
    """Return the training images of a training, and the images that another run scored."""
    images = run.summary.get("images")
    if isinstance(images, dict):
        images = images.get("train")
    if images is None and (run.folder / PREDICTIONS).is_file():
        with (run.folder / PREDICTIONS).open("rb") as stream:
            images = max(sum(1 for _ in stream) - 1, 0)
    if images is None and run.verb == "build-dataset":
        images = run.summary.get("rows")
    return images if isinstance(images, int) else None


def _throughput(run: RunFolder, seconds: float) -> float | None:
    """Return images a second: the median over the steps of a training; else all images over all the time."""
    if run.verb == "train":
        rates = [event["images_per_second"] for event in _events(run) if event.get("images_per_second")]
        return float(median(rates)) if rates else None
    images = _images(run)
    return images / seconds if images and seconds else None


def count_parameters(path: Path) -> int | None:
    """Return the number of parameters of a model, from the header of its file; running statistics are none.

    Args:
        path: a .safetensors file.

    Returns:
        None where there is no such file, or it is damaged.
    """
    try:
        sizes = read_tensor_sizes(path)
    except CxrshortError:
        return None
    return sum(size for name, size in sizes.items() if not name.endswith(_BUFFERS))


def _totals(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the sums over the runs of each group and kind of device, the most expensive first."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["verb"], row["group"], row["device"]), []).append(row)
    totals = []
    for (verb, group, device), members in groups.items():
        parameters = [row["parameters"] for row in members if row["parameters"] is not None]
        rates = [row["images_per_second"] for row in members if row["images_per_second"] is not None]
        totals.append(
            {
                "verb": verb,
                "group": group,
                "device": device,
                "runs": sum(not row["contains_runs"] for row in members) or len(members),
                "hours": sum(row["hours"] for row in members),
                "device_hours": sum(row["device_hours"] for row in members),
                "parameters": max(parameters) if parameters else None,
                "images_per_second": median(rates) if rates else None,
            }
        )
    return sorted(totals, key=lambda total: (-total["device_hours"], total["group"]))


def _by_device(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    sums: dict[str, float] = {}
    for row in rows:
        sums[row["device"]] = sums.get(row["device"], 0.0) + row["device_hours"]
    return sums


def _blocks(rows: Sequence[Mapping[str, Any]], totals: Sequence[Mapping[str, Any]]) -> list[Block]:
    numbers = [
        Column("time", "shown_time", "count", least=7),
        Column("device-hours", "shown_hours", "count", least=7),
        Column("device", "device", folds=True),
        Column("parameters", "shown_parameters", "count", least=7),
        Column("images/s", "shown_rate", "count", least=5),
    ]
    sums = _by_device(rows)
    title = ", ".join(f"{format_hours(hours)} device-hours ({name})" for name, hours in sums.items())
    named = [{**_shown(total), "name": _name(total)} for total in totals]
    heads = [Column("runs of", "name", least=16), Column("runs", "runs", "count")]
    every = [Column("run", "run", least=16), Column("verb", "verb")]
    return [
        Table([*every, *numbers], [_shown(row) for row in rows], "each run", shown=VERBOSE, blocks=True),
        Table([*heads, *numbers], named, f"in all {title}", blocks=True),
    ]


def _name(total: Mapping[str, Any]) -> str:
    return total["verb"] if total["group"] == total["verb"] else f"{total['verb']} {total['group']}"


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    parameters, rate = row["parameters"], row["images_per_second"]
    return {
        **row,
        "shown_time": format_time(row["hours"]),
        "shown_hours": format_hours(row["device_hours"]),
        "shown_parameters": "" if parameters is None else format_count(parameters),
        "shown_rate": "" if rate is None else f"{rate:,.0f}" if rate >= 10 else f"{rate:.2g}",
    }


def format_hours(hours: float) -> str:
    """Return hours with three digits.

    Example:
        >>> format_hours(0.01234), format_hours(1234.5)
        ('0.0123', '1,234')
    """
    return f"{hours:,.0f}" if hours >= 1000 else f"{hours:.3g}"


def format_time(hours: float) -> str:
    """Return a time in the largest units that it fills.

    Example:
        >>> format_time(0.005), format_time(0.5), format_time(30.25)
        ('18 s', '30 min', '1 d 6 h')
    """
    seconds = round(hours * 3600)
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{round(seconds / 60)} min"
    whole = round(hours)
    return f"{hours:.1f} h" if whole < 24 else f"{whole // 24} d {whole % 24} h"


def format_count(count: int) -> str:
    """Return a large number with three digits and its unit.

    Example:
        >>> format_count(98_765), format_count(6_966_034), format_count(120)
        ('98.8 k', '6.97 M', '120')
    """
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)


def _drawing(curves: Sequence[tuple[RunFolder, Mapping[str, Any]]]) -> Draw:
    """Return what draws the learning curves of the trainings, those of a group together."""

    def draw(path: Any) -> list[Path]:
        from cxrshort.figures.learning_curves import LearningCurve, draw_learning_curves

        lines = []
        for run, row in curves:
            history = run.summary["history"]
            selection = run.summary.get("selection") or {}
            lines.append(
                LearningCurve(
                    heading=str(row["group"]),
                    epochs=[int(point["epoch"]) for point in history],
                    losses=[point.get("loss") for point in history],
                    scores=[point.get("score") for point in history],
                    chosen=selection.get("epoch"),
                    measure=str(selection.get("measure", "score")),
                    device_hours=float(row["device_hours"]),
                )
            )
        return [draw_learning_curves(lines, path("learning-curves.png"))]

    return draw
