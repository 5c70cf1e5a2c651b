"""The table of manifest columns."""

import subprocess
import sys

from cxrshort import columns


def test_names_are_unique_and_labels_are_no_columns():
    names = [column.name for column in columns.COLUMNS]
    assert len(names) == len(set(names))
    assert not {name.casefold() for name in names} & {label.casefold() for label in columns.LABELS}
    assert not any(name.startswith(columns.SPLIT_PREFIX) for name in (*names, *columns.LABELS))


def test_every_column_is_described():
    for column in columns.COLUMNS:
        assert column.kind in ("text", "integer", "number")
        assert column.meaning and "\n" not in column.meaning
        assert column.kind == "text" or not column.values


def test_labels_are_those_of_the_paper():
    assert len(columns.CHESTX_RAY14_LABELS) == 14
    assert columns.LABELS[-1] == "COVID-19" and len(columns.LABELS) == 15


def test_mask_bits_do_not_overlap():
    bits = list(columns.MASK_BITS.values())
    assert all(bit.bit_count() == 1 for bit in bits) and sum(bits) == 2 ** len(bits) - 1


def test_columns_import_nothing_heavy():
    code = "import sys, cxrshort.columns; print(sorted(name for name in sys.modules if name.startswith('cxrshort')))"
    completed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert completed.stdout.strip() == "['cxrshort', 'cxrshort.columns']"
