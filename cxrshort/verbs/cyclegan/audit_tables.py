"""What people see of an audit by a CycleGAN: verdicts first, then flips, then where images changed, then how well."""

from collections.abc import Mapping, Sequence
from typing import Any

from cxrshort.generative.cyclegan.audit.classifiers import HALF
from cxrshort.generative.cyclegan.audit.results import BOTH, Record
from cxrshort.results import UNLESS_QUIET, VERBOSE, Block, Column, Table, Text, interval_text
from cxrshort.stats.verdicts import NOT_TESTABLE, Rule

SHOWN_REGIONS = 8
"""Regions that are printed, from the one that changed most; ``--verbose`` prints all."""
_INTERVAL, _SHARE = len("-0.500 [-1.000, -0.250]"), len("100 % [83, 100]")
_WHY = 40
"""Characters of the reason for a verdict below which it stands in a table of its own."""
_FEW_FLIPS = 0.5


def audit_blocks(summary: Mapping[str, Any], *, rule: Rule) -> list[Block]:
    """Return the tables of a summary.

    Args:
        summary: as summary.json has it.
        rule: of the verdict.
    """
    is_comparison = len(summary["classifiers"]) > 1
    return [
        *(block for entry in summary["classifiers"] for block in _verdicts(summary, entry["classifier"], rule=rule)),
        _flips(summary["population"], is_comparison=is_comparison),
        *_regions(summary),
        _quality(summary["cycle"]),
        *([_distances(summary["distances"])] if summary["distances"] else []),
    ]


def audit_notes(summary: Mapping[str, Any]) -> list[str]:
    """Return what must be known of the numbers.

    Example:
        >>> row = {"classifier": "a", "goal": "x == 1", "decision": "p 0.5", "reached": 0.2, "reached_high": 0.3}
        >>> audit_notes({"population": [{**row, "predicted": "increase"}], "distances": []})[0].partition(":")[0]
        "'a' follows few of the images (20 % to 'x == 1')"
    """
    few: dict[str, list[str]] = {}
    for row in summary["population"]:
        if row["decision"] == HALF and row["reached"] is not None and row["reached_high"] < _FEW_FLIPS:
            few.setdefault(row["classifier"], []).append(f"{_percent(row['reached'])} to '{row['goal']}'")
    notes = [
        f"'{classifier}' follows few of the images ({', '.join(shares)}): much of what it relies on was not changed"
        for classifier, shares in few.items()
    ]
    traces: dict[str, list[str]] = {}
    for row in summary["population"]:
        if row["decision"] == HALF and _is_trace(row):
            numbers = f"{row['median_change']:.2f} SD to '{row['goal']}', sham {row['sham_change']:.2f}"
            traces.setdefault(row["classifier"], []).append(numbers)
    notes += [
        f"'{classifier}' changes no more than where images need no change ({'; '.join(numbers)}): the traces that the "
        "generator leaves in any image move it as much, and its flips do not show that it relies on what tells the "
        "sides apart"
        for classifier, numbers in traces.items()
    ]
    missing = [
        f"no kernel distance to '{row['goal']}': {row['reason']}" for row in summary["distances"] if row["reason"]
    ]
    return [*notes, *dict.fromkeys(missing)]


def _is_trace(row: Mapping[str, Any]) -> bool:
    """Return whether a change in the predicted direction is not shown to exceed that of the sham."""
    sign = {"increase": 1, "decrease": -1}.get(row["predicted"])
    if sign is None or row.get("beyond_sham_low") is None or sign * row["median_change"] <= 0:
        return False
    return bool(row["beyond_sham_low"] <= 0 if sign > 0 else row["beyond_sham_high"] >= 0)


def _verdicts(summary: Mapping[str, Any], classifier: str, *, rule: Rule) -> list[Block]:
    """Return the verdicts on one classifier; regions that are not testable for the same reason share a line below."""
    findings = [row for row in summary["findings"] if row["classifier"] == classifier]
    heads = [
        Column("region", "region", least=max((len(row["region"]) for row in findings), default=0)),
        Column("verdict", "verdict", least=len(NOT_TESTABLE)),
        Column("effect", "shown_effect", least=_INTERVAL),
        Column("p (Holm)", "shown_p", "count"),
        Column("why", "why", least=_WHY),
    ]
    rows = [
        {
            **row,
            "shown_effect": _interval(row, "effect", low="low", high="high"),
            "shown_p": _p(row["p"]),
        }
        for row in findings
        if row["verdict"] != NOT_TESTABLE
    ]
    untested: dict[str, list[str]] = {}
    for row in findings:
        if row["verdict"] == NOT_TESTABLE:
            untested.setdefault(row["why"], []).append(row["region"])
    label = findings[0]["label"] if findings else ""
    by = f" by {classifier}" if len(summary["classifiers"]) > 1 else ""
    title = (
        f"{label}{by}: effects are median changes by the region alone, as predicted, in {rule.unit}; the margin is "
        f"{rule.margin:g}"
    )
    lines = [f"{NOT_TESTABLE}: {', '.join(names)} ({reason})" for reason, names in untested.items()]
    table = [Table(heads, rows, title, blocks=True)] if rows else [Text(f"{label}{by}: no region could be tested")]
    return [*table, *([Text("\n".join(lines) + "\n")] if lines else [])]


def _flips(population: Sequence[Record], *, is_comparison: bool) -> Table:
    heads = [
        *([Column("classifier", "classifier")] if is_comparison else []),
        Column("to", "goal"),
        Column("decision", "shown_decision"),
        Column("images", "images", "count"),
        Column("positive", "shown_positive"),
        Column("flips", "shown_flips", least=_SHARE),
        Column("reach the class", "shown_reached", least=_SHARE),
        Column("median change, SD", "shown_change", least=_INTERVAL),
        Column("sham, SD", "shown_sham", least=_INTERVAL),
    ]
    rows = [
        {
            **row,
            "shown_decision": f"{row['decision']} ({row['threshold']:.2f})" if row["decision"] != HALF else HALF,
            "shown_positive": f"{_percent(row['positive_before'])} → {_percent(row['positive_after'])}",
            "shown_flips": _share(row, "flips"),
            "shown_reached": _share(row, "reached"),
            "shown_change": _interval(row, "median_change"),
            "shown_sham": _interval(row, "sham_change"),
        }
        for row in population
    ]
    title = "Decisions before and after images were transformed; sham: images that were of that side already"
    return Table(heads, rows, title, UNLESS_QUIET, blocks=True)


def _regions(summary: Mapping[str, Any]) -> list[Block]:
    """Return where images changed and what that carries, of both directions."""
    changed = [row for row in summary["regions"] if row["direction"] == BOTH]
    carried = {(row["classifier"], row["region"]): row for row in summary["carried"] if row["direction"] == BOTH}
    names = [entry["classifier"] for entry in summary["classifiers"]]
    is_comparison = len(names) > 1
    heads = [
        Column("rank", "rank", "count"),
        Column("region", "region"),
        Column("area", "shown_area", "count"),
        Column("of the difference", "shown_share", "count"),
        Column("ratio", "shown_ratio", least=_INTERVAL),
        Column("p (shifts)", "shown_p", "count"),
        Column("to the sham", "shown_sham", least=_INTERVAL),
        *(
            Column(f"carried, {number}" if is_comparison else "carried alone", f"carried {number}", least=_INTERVAL)
            for number, _ in enumerate(names, start=1)
        ),
    ]
    rows = [
        {
            **row,
            "shown_area": _percent(row["area"]),
            "shown_share": _percent(row["difference_share"]),
            "shown_ratio": _interval(row, "ratio"),
            "shown_p": _p(row["p_shift"]),
            "shown_sham": _interval(row, "sham_ratio"),
            **{
                f"carried {number}": _carried(carried.get((name, row["region"])))
                for number, name in enumerate(names, start=1)
            },
        }
        for row in changed
    ]
    listed = (
        f"; carried by {', '.join(f'{number}: {name}' for number, name in enumerate(names, 1))}"
        if is_comparison
        else ""
    )
    title = "Where images changed: share of the difference over share of the area, both directions" + listed
    more = f" (the first {SHOWN_REGIONS} of {len(rows)} regions)" if len(rows) > SHOWN_REGIONS else ""
    return [
        Table(heads, rows[:SHOWN_REGIONS], title + more, ("usual",), blocks=True),
        Table(heads, rows, title, VERBOSE, blocks=True),
    ]


def _quality(cycle: Sequence[Record]) -> Table:
    heads = [
        Column("to", "goal"),
        Column("images", "images", "count"),
        Column("mean difference", "shown_difference", least=_INTERVAL),
        Column("cycle error", "shown_error", least=_INTERVAL),
    ]
    rows = [
        {
            **row,
            "shown_difference": _interval(row, "mean_difference"),
            "shown_error": _interval(row, "cycle_error"),
        }
        for row in cycle
    ]
    return Table(heads, rows, "Grey values of [0, 1]: transformed images, and there and back", UNLESS_QUIET)


def _distances(distances: Sequence[Record]) -> Table:
    heads = [
        Column("features", "network"),
        Column("to", "goal"),
        Column("images", "set"),
        Column("KID", "shown_distance", least=_INTERVAL),
    ]
    rows = [{**row, "shown_distance": _small(row, "kid") or f"none: {row['reason']}"} for row in distances]
    title = "Kernel distance to real images of the goal, 0 where sets are alike, in the units of its features"
    return Table(heads, rows, title, UNLESS_QUIET)


def _carried(row: Record | None) -> str:
    if row is None:
        return ""
    return _interval(row, "share") or str(row["carried_reason"])


def _interval(row: Mapping[str, Any], name: str, *, low: str = "", high: str = "") -> str:
    value, least, most = row.get(name), row.get(low or f"{name}_low"), row.get(high or f"{name}_high")
    if value is None:
        return ""
    return f"{value:z.3f}" if least is None or most is None else interval_text(value, least, most)


def _small(row: Mapping[str, Any], name: str) -> str:
    """Return a number with its limits, of two significant digits: it may be small in the units that it has."""
    value, least, most = (row.get(f"{name}{end}") for end in ("", "_low", "_high"))
    if value is None:
        return ""
    return f"{value:.2g}" if least is None or most is None else f"{value:.2g} [{least:.2g}, {most:.2g}]"


def _share(row: Mapping[str, Any], name: str) -> str:
    if row[name] is None:
        return ""
    return f"{_percent(row[name])} [{100 * row[f'{name}_low']:.0f}, {100 * row[f'{name}_high']:.0f}]"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.0f} %" if share >= 0.01 or not share else f"{100 * share:.1f} %"


def _p(p: float | None) -> str:
    return "" if p is None else f"{p:.2g}"
