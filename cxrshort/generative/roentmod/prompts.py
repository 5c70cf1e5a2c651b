"""Prompts of edits: those of RoentMod (2025), a user's own, and the label of the finding that each adds.

What would mislead: a prompt whose finding is taken for another label; so a label is only named where the name of the
edit or its words are those of the finding, see :mod:`cxrshort.stats.finding_names`, or the user names it.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from cxrshort import places, registry, tables
from cxrshort.errors import DataError, MissingInputError, UsageError
from cxrshort.generative.roentmod.contract import Prompt
from cxrshort.stats.finding_names import ROUND_TRIPS, SHAMS, label_of, plain

SHAM = Prompt("sham", "no acute cardiopulmonary process")
"""The paper's prompt for a film without findings: the sham edit has the noise and the steps of those that add one."""
ROUND_TRIP = Prompt("round trip", "")
"""What encoding and decoding alone do to an image."""

FINAL: Mapping[str, str] = {
    "cardiomegaly": "cardiomegaly",
    "edema": "edema",
    "pneumonia": "middle lobe pneumonia",
    "effusion": "right pleural effusion",
    "hernia": "hernia",
    "mass": "left upper lobe mass",
}
"""The paper's six final prompts by the names of their edits."""
DROPPED: Mapping[str, str] = {"emphysema": "emphysema", "nodule": "nodules"}
"""Prompts that the paper dropped, since readers saw the finding in 76 and 70 % of the edits alone."""
BUILT_IN: Mapping[str, str] = {**FINAL, **DROPPED}

_FORM = 'write NAME="words", such as --prompt effusion="right pleural effusion"'
_TABLE = "such as: edit,text,label and below it effusion,right pleural effusion,Effusion"


def choose_prompts(texts: Sequence[str], table: Path | None, *, labels: Iterable[str]) -> tuple[list[Prompt], Prompt]:
    """Return the prompts that add a finding, in order, and that of the sham edit.

    Args:
        texts: ``NAME=words`` or the name of a built-in prompt; a name of a sham gives the sham other words.
        table: a table of prompts with the columns ``edit``, ``text`` and, if wanted, ``label``.
        labels: of the dataset.

    Raises:
        UsageError: not of that form, an unknown built-in prompt, a name that stands twice, or no prompt that adds one.
        DataError: the table is damaged, or names a label that the dataset does not have.
        MissingInputError: there is no such table.
    """
    names = list(labels)
    prompts = [_parse(text, names) for text in texts] + (_read(table, names) if table is not None else [])
    if not prompts:
        prompts = [_labelled(edit, text, names) for edit, text in FINAL.items()]
    _refuse_repeated(prompts)
    shams = [prompt for prompt in prompts if plain(prompt.edit) in SHAMS]
    findings = [prompt for prompt in prompts if prompt not in shams]
    if not findings:
        raise UsageError("no prompt adds a finding, the sham edit alone is left", _FORM)
    return findings, shams[0] if shams else SHAM


def _parse(text: str, labels: Sequence[str]) -> Prompt:
    name, sign, words = (part.strip() for part in text.partition("="))
    if not sign and name in BUILT_IN:
        return _labelled(name, BUILT_IN[name], labels)
    if not sign and name:
        listing = f"the built-in prompts are {', '.join(BUILT_IN)}; words of your own: {_FORM.removeprefix('write ')}"
        raise UsageError(
            f"--prompt '{name}' is no built-in prompt", registry.propose_name(BUILT_IN, name, otherwise=listing)
        )
    if not (name and words):
        raise UsageError(f"--prompt '{text}' is not of the form NAME=words", _FORM)
    return _labelled(name, words, labels)


def _labelled(edit: str, text: str, labels: Sequence[str], label: str = "") -> Prompt:
    """Return a prompt with the label of its finding: the one that is named, else that of its name or its words."""
    if plain(edit) in ROUND_TRIPS:
        raise UsageError(f"'{edit}' is the name of the round trip, which is always made", "choose another name")
    if plain(edit) in SHAMS:
        return Prompt("sham", text)
    return Prompt(edit, text, label or label_of(edit, labels) or label_of(text, labels))


def _read(path: Path, labels: Sequence[str]) -> list[Prompt]:
    """Return the prompts of a table."""
    if not places.exists(path):
        raise MissingInputError(f"'{path}' does not exist", f"a table of prompts is {_TABLE}")
    table, _ = tables.read_table(path, ["edit", "text"], optional=["label"], separator=tables.sniff_separator(path))
    prompts = []
    for row in table.to_dict(orient="records"):
        edit, text, label = str(row["edit"]), str(row["text"]), str(row["label"])
        if not (edit and text):
            raise DataError(f"{path.name}: a prompt has no {'words' if edit else 'name'}: '{edit or text}'", _TABLE)
        if label and label not in labels:
            raise DataError(
                f"{path.name}: '{label}' is not a label of the dataset",
                registry.propose_name(labels, label, otherwise=f"one of: {', '.join(labels)}"),
            )
        prompts.append(_labelled(edit, text, labels, label))
    return prompts


def _refuse_repeated(prompts: Sequence[Prompt]) -> None:
    names = [plain(prompt.edit) for prompt in prompts]
    repeated = [prompt.edit for prompt, name in zip(prompts, names, strict=True) if names.count(name) > 1]
    if repeated:
        raise UsageError(f"two prompts are called '{repeated[0]}'", "name each edit of an image differently")
