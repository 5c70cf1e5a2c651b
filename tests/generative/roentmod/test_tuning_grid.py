"""Grids as people write them, and the editor of each cell."""

import pytest

from cxrshort.errors import UsageError
from cxrshort.generative.roentmod.contract import Picture
from cxrshort.generative.roentmod.phantom import PhantomEditor
from cxrshort.generative.roentmod.tuning_grid import PAPER, Cell, cell_facts, editor_of, list_cells, parse_values


def test_default_grids_hold_what_the_paper_chose_and_its_own_grid_does_not() -> None:
    cells = list_cells("diffusion", None, None)
    assert len(cells) == 90 and Cell(*PAPER) in cells
    own = list_cells("diffusion", "0.2:1:10", "1.5:10:10")
    assert len(own) == 100 and Cell(*PAPER) not in own and Cell(0.377778, 4.333333) in own


def test_values_are_evenly_spaced_or_listed() -> None:
    assert parse_values("1:3:3", "--strengths") == [1, 2, 3]
    assert parse_values("0.5, 0.1", "--strengths") == [0.1, 0.5]
    assert parse_values("0.4", "--strengths") == parse_values("0.4:0.4:1", "--strengths") == [0.4]


def test_phantoms_have_severities_and_no_guidance() -> None:
    assert list_cells("phantom", "0.3,0.7", None) == [Cell(0.3, None), Cell(0.7, None)]
    with pytest.raises(UsageError, match="--guidances is of the editor 'diffusion', not of 'phantom'"):
        list_cells("phantom", None, "4")


@pytest.mark.parametrize(
    ("strengths", "guidances", "message"),
    [
        ("0.2:1", None, "--strengths '0.2:1' is no grid"),
        ("a,b", None, "--strengths 'a,b' is no grid"),
        ("0.2:1:0", None, "--strengths '0.2:1:0' is no grid"),
        ("0.4,0.4", None, "--strengths '0.4,0.4' holds a value twice"),
        ("0:1:41", None, "--strengths '0:1:41' has 41 values, more than 40"),
        ("0.4,1.2", None, "--strengths holds 1.2"),
        ("0.4", "0.5", "--guidances holds 0.5"),
        ("0.4", "nan", "--guidances 'nan' is no grid"),
    ],
)
def test_what_is_no_grid_is_refused(strengths: str, guidances: str | None, message: str) -> None:
    with pytest.raises(UsageError) as refusal:
        list_cells("diffusion", strengths, guidances)
    assert refusal.value.message == message


def test_severity_is_above_zero_and_other_editors_have_none() -> None:
    with pytest.raises(UsageError, match="--strengths holds 0"):
        list_cells("phantom", "0,0.5", None)
    with pytest.raises(UsageError, match="'cyclegan' has no strength that could be tuned"):
        list_cells("cyclegan", None, None)


def test_phantom_editor_takes_the_severity_of_a_cell() -> None:
    editor = PhantomEditor({}, 32)
    other = editor_of(editor, Cell(0.3, None))
    assert isinstance(other, PhantomEditor) and other.severity == 0.3 and other.identity != editor.identity
    assert cell_facts(other) == {}


def test_editor_without_such_settings_is_refused() -> None:
    class Fixed:
        identity, facts, batch_size, moves = "fixed", {"start_timestep": 399, "editor": "fixed"}, 1, False

        def __call__(self, sources: object, rows: object) -> list[Picture]:
            return []

    assert cell_facts(Fixed()) == {"start_timestep": 399}
    with pytest.raises(UsageError, match="the editor has no 'strength 0.4, guidance 4'"):
        editor_of(Fixed(), Cell(0.4, 4.0))
