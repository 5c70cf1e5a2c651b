"""The verbs that are not built yet are in the help, and say so in one line."""

import pytest

from cxrshort.cli import later

from .console import cxrshort_here


@pytest.mark.parametrize("arguments", [(), ("x.safetensors", "--dataset", "I"), ("--no-such-option", "3", "auc")])
@pytest.mark.parametrize("verb", list(later.VERBS))
def test_verb_that_is_not_built_yet_says_so_in_one_line(verb: str, arguments: tuple[str, ...]) -> None:
    result = cxrshort_here(verb, *arguments)
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", f"error: '{verb}' is not built yet\n")


def test_help_of_every_verb_says_that_it_is_not_built_yet() -> None:
    assert all(summary.startswith("(not built yet) ") for summary in later.VERBS.values())
    for verb, summary in later.VERBS.items():
        assert summary[:40] in cxrshort_here(verb, "--help").stdout
