"""Completions for bash, zsh and fish, written out from the command tree: no Python starts when TAB is pressed.

They know commands, options, the names of the tables (architectures, methods, recipes, datasets to build), and look for
built datasets in ``$CXRSHORT_DATASETS``, else ``datasets``.
"""

import re
from dataclasses import dataclass
from typing import Any

from cxrshort.attribution import METHODS
from cxrshort.cli import gate
from cxrshort.columns import MASK_BITS, VIEWS
from cxrshort.datasets.building.pixel_recipes import RECIPES as PIXEL_RECIPES
from cxrshort.datasets.building.settings import NAMES as BUILD_SETTINGS
from cxrshort.datasets.catalogue import sections
from cxrshort.datasets.phantom.styles import SHORTCUTS
from cxrshort.models import ARCHITECTURES
from cxrshort.stats.random_changes import DIRECTIONS
from cxrshort.training import AUGMENTATIONS, recipes
from cxrshort.training import METHODS as TRAINING_METHODS

FILES = {"bash": "cxrshort.bash", "zsh": "_cxrshort", "fish": "cxrshort.fish"}
"""The file of each shell, below ``completions/``."""

ATTRIBUTION_SETTINGS = ("samples", "steps", "baseline", "noise", "patch", "stride", "fill", "epsilon", "first_layer")
"""Settings of attribution methods, which would load torch; a test compares them."""

_HEAD = "Completions of cxrshort for {shell}. Generated from the command tree by cxrshort.cli.pages; do not edit."

BUILT = "built datasets"
PATHS = "paths"
FREE = ""
"""What is completed after an option: built datasets, paths, or nothing (numbers, expressions)."""

_WORDS: dict[str, tuple[str, ...]] = {
    "--device": ("auto", "cpu", "cuda", "mps"),
    "--precision": ("auto", "fp32", "bf16"),
    "--split": ("test", "val", "train", "all"),
    "--model-output": ("logits", "probabilities", "softmax"),
    "train --arch": (*ARCHITECTURES, "timm:", "txrv:", "help"),
    "train --method": (*TRAINING_METHODS, "help"),
    "train --recipe": (*recipes.names(), "help"),
    "train --set": (*(f"{name}=" for name in recipes.RARE), "help"),
    "train --optimizer": recipes.OPTIMIZERS,
    "train --schedule": recipes.SCHEDULES,
    "train --augment": tuple(AUGMENTATIONS),
    "train --weights": ("none", "imagenet"),
    "train --selection": recipes.SELECTIONS,
    "train --empty-labels": recipes.EMPTY_LABELS,
    "train --balance": recipes.BALANCES,
    "train --background": recipes.BACKGROUNDS,
    "train --target": ("labels", "masks"),
    "train --mask-bit": tuple(MASK_BITS),
    "explain --method": (*METHODS, "help"),
    "explain --set": (*(f"{name}=" for name in ATTRIBUTION_SETTINGS), "help"),
    "--fail-on": tuple(gate.LEVELS),
    "stats checks --fail-on": tuple(gate.CHECK_LEVELS),
    "stats leakage --fail-on": tuple(gate.LEAK_LEVELS),
    "stats slices --fail-on": tuple(gate.SUSPICIOUS_LEVELS),
    "stats subgroups --fail-on": tuple(gate.SUSPICIOUS_LEVELS),
    "build-dataset --dataset": (*(name for names in sections().values() for name in names), "help"),
    "build-dataset --recipe": (*PIXEL_RECIPES, "help"),
    "build-dataset --set": (*(f"{name}=" for name in BUILD_SETTINGS), "help"),
    "build-dataset --fit": ("crop", "pad", "squash"),
    "build-dataset --views": VIEWS,
    "build-dataset --shortcut": (*SHORTCUTS, "help"),
    "stats empirical-p --direction": DIRECTIONS,
}
"""The values of options, of one command or of all; what takes paths too is completed with paths where none fits."""

_PATH_VALUES = {"DIR", "CSV", "FILE.npy", "MODEL", "W", "D"}


@dataclass(frozen=True)
class Option:
    """Describe the completion of an option of a command.

    Args:
        names: ``--learning-rate`` and ``--lr``.
        text: its line of help.
        takes_value: whether a word follows it.
        words: the values that there are.
        kind: what else is completed: ``BUILT``, ``PATHS`` or ``FREE``.
    """

    names: tuple[str, ...]
    text: str
    takes_value: bool
    words: tuple[str, ...]
    kind: str


@dataclass(frozen=True)
class Command:
    """Describe the completion of a command.

    Args:
        name: the verb, with its sub-command behind it; empty for the program itself.
        text: its line of help.
        options: its options.
        takes_paths: whether it has arguments without a name, which are files.
        commands: the verbs of the program, or the sub-commands of a verb.
    """

    name: str
    text: str
    options: tuple[Option, ...]
    takes_paths: bool
    commands: tuple["Command", ...] = ()

    @property
    def word(self) -> str:
        """Return what is typed last."""
        return self.name.rpartition(" ")[2]

    @property
    def all(self) -> tuple["Command", ...]:
        """Return this command and all below it."""
        return (self, *(command for below in self.commands for command in below.all))


def scripts(root: Any) -> dict[str, str]:
    """Return the script of each shell by its file name, made from the command tree."""
    program = _command("", root)
    made = {"bash": _bash(program), "zsh": _zsh(program), "fish": _fish(program)}
    return {FILES[shell]: text for shell, text in made.items()}


def _command(name: str, command: Any) -> Command:
    options = [_option(name, parameter) for parameter in command.params if hasattr(parameter, "is_flag")]
    text = command.short_help or " ".join((command.help or "").strip().split("\n\n")[0].split())
    paths = any(not hasattr(parameter, "is_flag") for parameter in command.params)
    below = [_command(f"{name} {word}".strip(), part) for word, part in getattr(command, "commands", {}).items()]
    options.append(Option(("--help", "-h"), "Show the help.", False, (), FREE))
    return Command(name, text, tuple(options), paths, tuple(below))


def _option(command: str, parameter: Any) -> Option:
    names = (*parameter.opts, *parameter.secondary_opts)
    words = _WORDS.get(f"{command} {names[0]}", _WORDS.get(names[0], ()))
    kind = PATHS if parameter.metavar in _PATH_VALUES or words == _WORDS["train --recipe"] else FREE
    if names[0] == "--dataset" and not words:
        kind = BUILT
    return Option(names, parameter.help or "", not parameter.is_flag, tuple(words), kind)


def _bash(program: Command) -> str:
    patterns: dict[str, list[str]] = {}
    flags = []
    for command in program.all:
        name = command.name.replace(" ", "\\ ")
        for option in command.options:
            if option.takes_value:
                patterns.setdefault(_bash_values(option), []).extend(f"{name}:{spelling}" for spelling in option.names)
        words = " ".join(name for option in command.options for name in option.names if name.startswith("--"))
        verbs = " ".join(below.word for below in command.commands)
        flags.append(f'        {name or chr(39) * 2}) options="{words}" verbs="{verbs}" ;;')
    groups = "|".join(verb.name for verb in program.commands if verb.commands)
    cases = [f"        {'|'.join(names)}) {action} ;;" for action, names in patterns.items()]
    start = _BASH_START.replace("GROUPS", groups)
    return "\n".join([f"# {_HEAD.format(shell='bash')}", start, *cases, _BASH_MIDDLE, *flags, _BASH_END])


def _bash_values(option: Option) -> str:
    words = " ".join(option.words)
    if option.kind == BUILT:
        words = "$(_cxrshort_datasets)"
    free = "" if option.kind in (BUILT, PATHS) else "compopt +o default; "
    return f'{free}_cxrshort_reply "{words}"; return' if words else f"{free}return"


_BASH_START = r"""
_cxrshort_datasets() {
    local each
    for each in "${CXRSHORT_DATASETS:-datasets}"/*/manifest.csv; do
        [[ -e $each ]] || continue
        each=${each%/manifest.csv}
        printf '%s\n' "${each##*/}"
    done
}

_cxrshort_reply() {
    local IFS=$' \n'
    COMPREPLY=($(compgen -W "$1" -- "$word"))
    # A word that another follows, such as momentum=, is completed without a space.
    [[ ${COMPREPLY[0]} != *[=:] ]] || compopt -o nospace
}

_cxrshort() {
    local word=$2 before=$3 verb='' options='' verbs='' each
    COMPREPLY=()
    for ((each = 1; each < COMP_CWORD; each++)); do
        [[ ${COMP_WORDS[each]} == -* ]] && continue
        verb=${verb:+$verb }${COMP_WORDS[each]}
        case $verb in GROUPS) ;; *) break ;; esac
    done
    case $verb:$before in"""
_BASH_MIDDLE = r"""    esac
    case $verb in"""
_BASH_END = r"""    esac
    if [[ $word == -* ]]; then
        _cxrshort_reply "$options"
    elif [[ -n $verbs ]]; then
        _cxrshort_reply "$verbs"
    fi
}

complete -o default -F _cxrshort cxrshort
"""


def _zsh(program: Command) -> str:
    lines = ["#compdef cxrshort", f"# {_HEAD.format(shell='zsh')}", _ZSH_START]
    for command in reversed([part for part in program.all if part.commands]):
        lines += _zsh_function(command)
    return "\n".join([*lines, _ZSH_END])


def _zsh_function(group: Command) -> list[str]:
    """Return the function that completes the words behind the program, or behind a verb of sub-commands."""
    described = [f"        {_quote(f'{below.word}:{below.text}')}" for below in group.commands]
    lines = [_ZSH_VERBS.replace("NAME", _zsh_name(group)), *described, _ZSH_MIDDLE]
    lines += [f"        {_quote(spec)} \\" for option in group.options for spec in _zsh_specs(option)]
    lines += ["        '1:command:->command' '*::argument:->arguments' && return", _ZSH_STATE]
    for command in group.commands:
        if command.commands:
            lines.append(f"            {command.word}) {_zsh_name(command)} ;;")
            continue
        specs = [f"                {_quote(spec)}" for option in command.options for spec in _zsh_specs(option)]
        paths = [f"                '*:{_path_word(command)}:_files'"] if command.takes_paths else []
        lines += [f"            {command.word}) _arguments \\", " \\\n".join([*specs, *paths]) + " ;;"]
    return [*lines, _ZSH_CLOSE]


def _zsh_name(group: Command) -> str:
    return f"_cxrshort_{group.name}".rstrip("_")


def _path_word(command: Command) -> str:
    """Return what zsh calls a command's files."""
    return "table" if command.name.startswith("stats ") else "model"


def _zsh_specs(option: Option) -> list[str]:
    """Return what ``_arguments`` reads: ``*--name[help]:value:action``."""
    text = re.sub(r"([\[\]:\\])", r"\\\1", option.text)
    if not option.takes_value:
        return [f"*{name}[{text}]" for name in option.names]
    action = {BUILT: "_cxrshort_datasets", PATHS: "_files", FREE: " "}[option.kind]
    if option.words:
        # A word that another follows, such as momentum=, is completed without a space.
        joined = [word.replace(":", "\\:") for word in option.words if word.endswith(("=", ":"))]
        complete = [word for word in option.words if not word.endswith(("=", ":"))]
        parts = [f"compadd -- {' '.join(complete)}"]
        parts += [f"compadd -S '' -- {' '.join(joined)}"] if joined else []
        parts += ["_files"] if option.kind == PATHS else []
        action = f"{{{'; '.join(parts)}}}"
    return [f"*{name}[{text}]:value:{action}" for name in option.names]


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


_ZSH_START = r"""
_cxrshort_datasets() {
    local -a built
    built=(${CXRSHORT_DATASETS:-datasets}/*/manifest.csv(N:h:t))
    compadd -a built
    _files
}
"""[:-1]
_ZSH_VERBS = r"""
NAME() {
    local -a verbs
    local state line
    verbs=("""
_ZSH_MIDDLE = r"""    )
    _arguments -C \
"""[:-1]
_ZSH_STATE = r"""    case $state in
    command) _describe command verbs ;;
    arguments)
        case $words[1] in"""
_ZSH_CLOSE = r"""        esac ;;
    esac
}"""
_ZSH_END = r"""
if [[ $funcstack[1] == _cxrshort ]]; then
    _cxrshort "$@"
else
    compdef _cxrshort cxrshort
fi
"""


def _fish(program: Command) -> str:
    lines = [f"# {_HEAD.format(shell='fish')}", _FISH_START]
    for group in (part for part in program.all if part.commands):
        words = " ".join(below.word for below in group.commands)
        within = f"__fish_seen_subcommand_from {group.name}; and " if group.name else ""
        none = f"{within}not __fish_seen_subcommand_from {words}"
        lines += [
            f"complete -c cxrshort -f -n {_quote(none)} -a {below.word} -d {_quote(below.text)}"
            for below in group.commands
        ]
        lines += [_fish_option(option, none) for option in group.options]
        for command in (below for below in group.commands if not below.commands):
            seen = f"{within}__fish_seen_subcommand_from {command.word}"
            if not command.takes_paths:
                lines.append(f"complete -c cxrshort -f -n {_quote(seen)}")
            lines += [_fish_option(option, seen) for option in command.options]
    return "\n".join(lines) + "\n"


def _fish_option(option: Option, condition: str) -> str:
    names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
    line = f"complete -c cxrshort -n {_quote(condition)} {names}"
    if option.takes_value:
        line += " -r" if option.kind in (BUILT, PATHS) else " -x"
        words = "(__cxrshort_datasets)" if option.kind == BUILT else " ".join(option.words)
        line += f" -a {_quote(words)}" if words else ""
    return f"{line} -d {_quote(option.text)}"


_FISH_START = r"""
function __cxrshort_datasets
    set -l root datasets
    set -q CXRSHORT_DATASETS; and set root $CXRSHORT_DATASETS
    for each in $root/*/manifest.csv
        string split -f 1 -- /manifest.csv (string replace -- $root/ '' $each)
    end
end
"""
