"""Usage errors of Typer's parser, said as every other error is: the value in quotes, the rule, and a hint."""

import re
from typing import Any

from cxrshort import registry
from cxrshort.errors import UsageError

_KINDS = {"int": "a whole number", "float": "a number", "bool": "true or false"}
_LIMITS = {
    "greater_than_equal": ("ge", "at least"),
    "greater_than": ("gt", "above"),
    "less_than_equal": ("le", "at most"),
    "less_than": ("lt", "below"),
}


def restate(error: Any) -> UsageError:
    """Return what Typer's parser refused, with a hint that names what was meant, or where that can be read.

    Args:
        error: any usage error of Typer; its private Click has no public name for their classes.
    """
    context, parameter = error.ctx, getattr(error, "param", None)
    name = getattr(error, "option_name", "")
    if hasattr(error, "possibilities"):  # an option that there is not
        return _unknown(name, _options(context), kind="option", context=context)
    if name:
        return _without_value(name, context)
    if hasattr(error, "param_type"):  # a parameter that is missing
        hint = _example(context) or f"{_command(context)} --help shows what it takes"
        return UsageError(f"{_named(parameter)} is missing", hint)
    if parameter is not None and (rule := _broken_rule(error.__cause__)):
        return UsageError(f"{_named(parameter)} is {rule}")
    if match := re.match(r"No such command '(.*?)'\.", error.message):
        return _unknown(match[1], list(getattr(context.command, "commands", ())), kind="command", context=context)
    if match := re.match(r"Got unexpected extra argument\(s\) \((.*)\)", error.message, re.DOTALL):
        hint = f"{_command(context)} --help shows what it takes"
        return UsageError(f"'{match[1]}' is more than '{_command(context)}' takes", hint)
    text = str(error.format_message()).removesuffix(".")
    return UsageError(text[:1].lower() + text[1:])


def _unknown(name: str, names: list[str], *, kind: str, context: Any) -> UsageError:
    # Without the signs before an option, which are alike in all of them.
    signs, command = name[: len(name) - len(name.lstrip("-"))], _command(context)
    near = registry.nearest([candidate.removeprefix(signs) for candidate in names], name.removeprefix(signs))
    hint = f"did you mean '{signs}{near}'?" if near else f"{command} --help lists the {kind}s"
    return UsageError(f"'{name}' is not a known {kind} of {command}", hint)


def _without_value(name: str, context: Any) -> UsageError:
    """Return what to say of an option whose value is missing, and of a switch that was given one."""
    option = next((option for option in _parameters(context) if name in option.opts), None)
    if option is None or option.is_flag:
        return UsageError(f"{name} takes no value", f"write {name} alone")
    return UsageError(f"{name} has no value", f"write {name} {option.metavar or 'VALUE'}")


def _broken_rule(cause: Any) -> str:
    """Return the value that pydantic refused and the rule that it breaks; "" for a rule that is not known here."""
    if not hasattr(cause, "errors"):
        return ""
    refused = cause.errors()[0]
    value, kind = refused["input"], refused["type"]
    if kind in _LIMITS:
        key, words = _LIMITS[kind]
        return f"'{value}', it must be {words} {refused['ctx'][key]}"
    rule = _KINDS.get(kind.partition("_")[0])
    return f"'{value}', it must be {rule}" if rule else ""


def _named(parameter: Any) -> str:
    """Return what the user calls a parameter: its first option, or what help shows for an argument."""
    if parameter is None:
        return "an argument"
    return str(parameter.opts[0] if parameter.param_type_name == "option" else parameter.metavar).strip("[]")


def _command(context: Any) -> str:
    """Return the words of a command, as they are typed after installation."""
    words: list[str] = []
    while context is not None and context.parent is not None:
        words.insert(0, str(context.info_name))
        context = context.parent
    return " ".join(["cxrshort", *words])


def _example(context: Any) -> str:
    _, _, example = str(context.command.help or "").partition("Example:")
    return " ".join(example.split())


def _parameters(context: Any) -> list[Any]:
    return [] if context is None else list(context.command.get_params(context))


def _options(context: Any) -> list[str]:
    parameters = (option for option in _parameters(context) if option.param_type_name == "option")
    return [name for option in parameters for name in (*option.opts, *option.secondary_opts) if name.startswith("--")]
