"""What ``paths`` and ``doctor`` print."""

from collections.abc import Mapping
from typing import Any

from cxrshort.cli.plans import size
from cxrshort.cli.tables import document, line, pairs


def places(result: Mapping[str, Any], *, json: bool) -> None:
    """Print where things lie, and the datasets that are built."""
    if json:
        return document(result, kind="paths")
    pairs([(row["name"], _place(row)) for row in result["places"]])
    built = ", ".join(result["datasets"]) or "none; cxrshort build-dataset --dataset phantom-I builds one"
    return line(f"\ndatasets that are built: {built}")


def _place(row: Mapping[str, Any]) -> str:
    absent = "" if row["exists"] else " (not there yet)"
    how = f"set by {row['set_by']}" if row["set_by"].startswith("$") else _how_to_set(row["variable"])
    return f"{row['path']}{absent}\n{row['holds']}{how and '; '}{how}"


def _how_to_set(variable: str) -> str:
    return f"${variable} sets another" if variable else "--out sets another"


def checks(result: Mapping[str, Any], *, json: bool) -> None:
    """Print what is installed, the machine, and the audits."""
    if json:
        return document(result, kind="doctor")
    pairs([(name, version) for name, version in result["versions"].items()])
    line("")
    pairs([(row["name"], _extra(row)) for row in result["extras"]])
    line("")
    pairs(_machine(result["machine"]))
    for title in ("model", "dataset"):
        if result[title]:
            line("")
            pairs([(title, _summary(result[title]))])
    line("")
    return pairs([(f"{'yes' if row['possible'] else 'no'}", _audit(row)) for row in result["audits"]])


def _extra(row: Mapping[str, str]) -> str:
    return f"{row['version']}, for {row['purpose']}" if row["version"] else f"{row['install']}, for {row['purpose']}"


def _machine(machine: Mapping[str, Any]) -> list[tuple[str, str]]:
    load = f"other processes use {machine['load']:.1f} of {machine['cores']} cores"
    if machine["busy"]:
        load += (
            f", which slows training down; with --threads {machine['free_cores']} fewer threads wait for each other; "
            "in fp32 GOMP_SPINCOUNT=1000 helps too, which train and evaluate set"
        )
    return [
        ("device", machine["device"]),
        ("precision", machine["precision"]),
        ("threads", str(machine["threads"])),
        ("load", load),
        ("disk", f"{size(machine['disk_free_mib'])} free"),
    ]


def _summary(facts: Mapping[str, Any]) -> str:
    shown = {"name", "kind", "architecture", "rows", "splits"}
    parts = [f"{key.replace('_', ' ')} {value}" for key, value in facts.items() if key in shown and value != ""]
    if facts.get("trained_on"):
        parts.append(f"trained on {facts['trained_on']}, replicate {facts['replicate']}")
    if "masks" in facts:
        parts.append("with masks" if facts["masks"] else "without masks")
    return ", ".join([*parts, f"labels: {', '.join(facts['labels'])}"])


def _audit(row: Mapping[str, Any]) -> str:
    missing = f"\nmissing: {'; '.join(row['missing'])}" if row["missing"] else ""
    return f"{row['audit']}: {row['command']}{missing}"
