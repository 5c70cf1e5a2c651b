"""Options of groups mean the same in both commands."""

import pytest

from ..console import cxrshort_here


@pytest.mark.parametrize("option", ["--threshold P", "--val TABLE", "--logits", "--fail-on VERDICT"])
def test_both_commands_have_the_option_with_the_same_help(option: str) -> None:
    texts = []
    for command in ("subgroups", "slices"):
        words = " ".join(cxrshort_here("stats", command, "--help").stdout.split())
        assert option in words
        texts.append(words.split(option)[1].split(" --")[0].strip())
    assert texts[0] == texts[1]
