"""The language of ``--where``, ``--from`` and ``--group``: questions about columns, parsed, never evaluated.

    COVID-19 == 0 and view == "PA"
    age_years >= 18 and not (view in ("LATERAL", "UNKNOWN") or empty(sex))

- A comparison (``== != < <= > >=``), ``in (...)`` and ``not in (...)`` need a column on at least one side; values are
  numbers, or texts in single or double quotes. Texts are ordered letter by letter, which suits dates (2020-03-01).
- **A comparison with an empty cell is false**, ``!=`` and ``not in`` included. ``not`` turns false into true, so
  ``not view == "PA"`` holds where the view is missing and ``view != "PA"`` does not. ``empty(column)`` and
  ``known(column)`` ask for missing cells themselves.
- ``and`` binds closer than ``or``, ``not`` closer than both.
- The names of the table's columns are matched first and the longest one wins, so hyphens, dots, digits and spaces in
  them are no operators. Backticks around a name always work; they are needed where a name does not begin with a letter,
  digit or underscore, holds a quote, bracket, comma or comparison sign, or is itself a number or one of
  ``and or not in``.
- A column of texts that all read as numbers may be compared with a number.

How it is read: every name and value is replaced by a stand-in of the same length, what is left may only be the signs
and words above, and Python's own parser (``ast``) makes a tree of that, whose nodes lead back to what was written by
their place. Nothing is ever compiled or evaluated by Python.
"""

import ast
import operator
import re
from collections.abc import Callable, Iterable
from functools import cache
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cxrshort import registry
from cxrshort.errors import UsageError

Bools = NDArray[np.bool_]

LONGEST = 10_000
"""Characters of an expression; a list of some hundred image ids fits."""
DEEPEST = 50
"""Brackets and nots inside one another; far below Python's own limit on recursion."""

_SHOWN = 40
_QUOTE = "a text stands in quotes"
_QUOTES = "\"'`"
_TOO_DEEP = f"more than {DEEPEST} brackets inside one another"
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_INSTEAD = {
    "=": "==",
    "!": "not",
    "&": "and",
    "|": "or",
    "~": "not",
    "AND": "and",
    "OR": "or",
    "NOT": "not",
    "IN": "in",
}
_OPERANDS = ("column", "backticks", "text", "number", "word")

_NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_BARE_NAME = re.compile(r"\w[^=!<>()\"'`,]*")
_RESERVED = re.compile(rf"and|or|not|in|{_NUMBER}")
_TOKEN = (
    r"(?P<space>\s+)"
    r"|(?P<function>(?:empty|known)(?=\s*\())"
    r"|(?P<column>(?:COLUMNS)(?![\w.-]))"
    rf"|(?P<number>{_NUMBER})(?![\w.])"
    r"|(?P<text>\"[^\"]*\"|'[^']*')"
    r"|(?P<backticks>`[^`]*`)"
    r"|(?P<sign>[=!<>]=|[<>(),]|(?:and|or|not|in)(?![\w.-]))"
    r"|(?P<word>\w[\w.-]*)"
    r"|(?P<stray>.)"
)


def select_rows(table: pd.DataFrame, expression: str) -> Bools:
    """Return for which rows an expression holds.

    Args:
        table: any table with unique column names; missing cells are NaN, None or the empty string.
        expression: in the language described above.

    Returns:
        (N,) one truth value per row.

    Raises:
        UsageError: the expression cannot be understood, names no column of the table, or compares numbers with texts;
            the message points at the place.

    Example:
        >>> table = pd.DataFrame({"view": ["PA", "AP", ""], "COVID-19": [0.0, 1.0, None]})
        >>> select_rows(table, 'COVID-19 == 0 and view == "PA"').tolist()
        [True, False, False]
        >>> select_rows(table, "empty(view) or COVID-19 > 0.5").tolist()
        [False, True, True]
    """
    if len(expression) > LONGEST:
        message = f"an expression of {len(expression)} characters is too long: {LONGEST} are allowed"
        raise UsageError(message, "put the answer into a column of the manifest and name that")
    if not expression.strip():
        raise UsageError("the expression is empty", 'write a comparison, such as view == "PA"')
    return _Question(table, expression.strip()).answer()


def categories(table: pd.DataFrame, expression_or_column: str) -> pd.Series:
    """Return the group of each row: the value of a column, or of several, or whether an expression holds.

    Args:
        table: as for :func:`select_rows`.
        expression_or_column: the name of a column, with or without backticks; names joined by commas, whose
            combinations are the groups; else an expression.

    Returns:
        (N,) text: the cells of the column, ``""`` where missing and numbers as short as they are exact; of several
        columns, joined by commas and ``""`` where any is missing; for an expression ``"true"`` or ``"false"``.

    Raises:
        UsageError: neither a column nor an expression that can be understood.

    Example:
        >>> table = pd.DataFrame({"sex": ["F", None], "age_years": [17.0, 60.5]})
        >>> categories(table, "sex").tolist(), categories(table, "age_years").tolist()
        (['F', ''], ['17', '60.5'])
        >>> categories(table, "age_years >= 18").tolist()
        ['false', 'true']
        >>> categories(table, "sex,age_years").tolist()
        ['F,17', '']
    """
    text = expression_or_column.strip()
    names = {form: name for name in table.columns for form in (f"`{name}`", str(name))}
    parts = [name.strip() for name in text.split(",")]
    if text in names:
        texts = _as_texts(table[names[text]])
    elif all(name in names for name in parts):
        rows = zip(*(_as_texts(table[names[name]]) for name in parts), strict=True)
        texts = np.array([",".join(row) if all(row) else "" for row in rows], dtype=object)
    else:
        texts = np.where(select_rows(table, expression_or_column), "true", "false").astype(object)
    return pd.Series(texts, index=table.index, name=text, dtype=object)


class _Operand(NamedTuple):
    """A name or value of an expression: column, number, text, function or word; what it says; where it begins."""

    kind: str
    content: str
    place: int


class _Question:
    """Read an expression and answer it for every row.

    Args:
        table: whose columns the expression names.
        expression: what the user wrote, without space around it.
    """

    def __init__(self, table: pd.DataFrame, expression: str) -> None:
        self._columns = {str(name): table[name] for name in table.columns}
        self._pattern = _token_pattern(self._columns)
        self._expression = expression
        self._operands: dict[int, _Operand] = {}
        self._texts_of = cache(lambda name: _as_texts(self._columns[name]))
        self._numbers_of = cache(lambda name: _as_numbers(self._columns[name]))
        self._known = cache(lambda name: _known(self._columns[name]))

    def answer(self) -> Bools:
        """Return the truth value of every row."""
        source = self._with_stand_ins()
        depth = accumulate((sign == "(") - (sign == ")") for sign in source)
        if (place := next((place for place, level in enumerate(depth) if level > DEEPEST), -1)) >= 0:
            raise self._refusal(_TOO_DEEP, place)
        try:
            return self._holds(ast.parse(source, mode="eval").body)
        except SyntaxError as error:
            raise self._misplaced(error) from None
        except (RecursionError, MemoryError):  # thousands of nots: the parser's own limits
            raise self._refusal(_TOO_DEEP, 0) from None

    def _with_stand_ins(self) -> str:
        """Return the expression as Python may see it; names and values are noted by their place."""
        source, previous = "", ""
        for token in self._pattern.finditer(self._expression):
            kind, written, place = str(token.lastgroup), token[0], token.start()
            beside = kind in _OPERANDS and previous in (*_OPERANDS, ")")
            if kind == "stray" or beside or kind == "word" and written.upper() in _INSTEAD:
                raise self._unexpected(written, place)
            if kind == "text" and len(written) == 2:
                raise self._refusal("no cell equals the empty text", place, "empty(column) is true for missing cells")
            inner = "_" * len(written)
            if kind in ("text", "backticks"):
                written, inner = written[1:-1], f"'{inner[1:-1]}'"
            if kind == "backticks":
                self._check_column(written, place)
            source += {"sign": written, "space": " " * len(written)}.get(kind, inner)
            self._operands[place] = _Operand("column" if kind == "backticks" else kind, written, place)
            previous = {"space": previous, "sign": written}.get(kind, kind)
        return source

    # --- from tree to truth values

    def _holds(self, node: ast.expr, *, negations: int = 0) -> Bools:
        match node:
            case ast.BoolOp(op=joint, values=parts):
                join = np.logical_and if isinstance(joint, ast.And) else np.logical_or
                return np.asarray(join.reduce([self._holds(part, negations=negations) for part in parts]))
            case ast.UnaryOp() if negations == DEEPEST:
                raise self._refusal(_TOO_DEEP, node.col_offset)
            case ast.UnaryOp(operand=denied):
                return ~self._holds(denied, negations=negations + 1)
            case ast.Call(func=ast.Name() as function, args=[argument]):
                return self._is_known(self._operands[function.col_offset], self._side(argument))
            case ast.Compare(left=left, ops=[ast.In() | ast.NotIn() as sign], comparators=[values]):
                return self._is_among(left, values, negated=isinstance(sign, ast.NotIn))
            case ast.Compare(left=left, ops=[sign], comparators=[right]):
                return self._compare(self._side(left), _COMPARE[type(sign)], self._side(right, hint=_QUOTE))
            case ast.Compare(comparators=[_, third, *_]):
                raise self._refusal("a comparison has two sides", third.col_offset, "join two comparisons with and")
        self._check_bare_names(node)
        raise self._refusal(
            "this is no comparison", node.col_offset, "compare a column with == != < <= > >= in, or not in"
        )

    def _is_known(self, function: _Operand, column: _Operand) -> Bools:
        if (function.kind, column.kind) != ("function", "column"):
            raise self._refusal(
                "this is no comparison", function.place, "questions are empty(column) and known(column)"
            )
        known = self._known(column.content)
        return known if function.content == "known" else ~known

    def _is_among(self, node: ast.expr, listed: ast.expr, *, negated: bool) -> Bools:
        left, members = self._side(node), listed.elts if isinstance(listed, ast.Tuple) else [listed]
        values = [self._side(member, hint=_QUOTE) for member in members]
        bracket = "(" in self._expression[node.end_col_offset : listed.col_offset + 1]
        if not (values and bracket) or any(value.kind not in ("number", "text") for value in values):
            raise self._refusal("this is no list of values", listed.col_offset, 'write in (1, 2), or in ("PA", "AP")')
        among: Bools = np.logical_or.reduce([self._compare(left, operator.eq, value) for value in values])
        return self._known(left.content) & ~among if negated else among

    def _side(self, node: ast.expr, *, hint: str = "") -> _Operand:
        """Return the name or value that a node stands for; the hint is for a name that is no column."""
        if not isinstance(node, ast.Name | ast.Constant):
            raise self._refusal("this is neither a column nor a value", node.col_offset)
        operand = self._operands[node.col_offset]
        if operand.kind == "word":
            self._check_column(operand.content, operand.place, hint=hint and f'{hint}: "{operand.content}"')
        return operand

    def _compare(self, left: _Operand, sign: Callable[[Any, Any], Any], right: _Operand) -> Bools:
        if "column" not in (left.kind, right.kind):
            hint = "the name of a column stands without quotes, or in backticks"
            raise self._refusal("this comparison has no column", left.place, hint)
        if self._is_number(left) or self._is_number(right):
            first, second = self._as_number(left, beside=right), self._as_number(right, beside=left)
        else:
            first, second = self._as_text(left), self._as_text(right)
        with np.errstate(over="ignore"):  # a number beyond float32 is infinite there, and compares as it should
            result: Bools = np.asarray(sign(first, second), dtype=np.bool_)
        for side in (left, right):
            result = result & self._known(side.content) if side.kind == "column" else result
        return result

    def _is_number(self, side: _Operand) -> bool:
        """Return whether a side is a number; a column without any value is nothing in particular."""
        if side.kind != "column":
            return side.kind == "number"
        return pd.api.types.is_numeric_dtype(self._columns[side.content]) and bool(self._known(side.content).any())

    def _as_text(self, side: _Operand) -> Any:
        return self._texts_of(side.content) if side.kind == "column" else np.asarray(side.content, dtype=object)

    def _as_number(self, side: _Operand, *, beside: _Operand) -> Any:
        """Return cells as they are stored; a Python float beside them takes on their precision (NEP 50)."""
        if side.kind == "number":
            return float(side.content)
        if side.kind == "text":
            message = f"'{beside.content}' holds numbers and cannot be compared with the text \"{side.content}\""
            raise self._refusal(message, side.place, "a number stands without quotes")
        numbers, wrong = self._numbers_of(side.content)
        if wrong:
            numeric = (
                f"the number {beside.content}" if beside.kind == "number" else f"the numbers in '{beside.content}'"
            )
            message = f"'{side.content}' holds texts such as \"{wrong}\" and cannot be compared with {numeric}"
            raise self._refusal(message, side.place, _QUOTE)
        return numbers

    # --- refusals

    def _check_column(self, name: str, place: int, *, hint: str = "") -> None:
        try:
            registry.check_name(self._columns, name, kind="column")
        except UsageError as error:
            raise self._refusal(error.message, place, hint or error.hint) from None

    def _check_bare_names(self, node: ast.expr) -> None:
        """Refuse a name, or names joined by commas, where one is no column: it is misspelt, and no comparison."""
        for name in node.elts if isinstance(node, ast.Tuple) else [node]:
            if isinstance(name, ast.Name) and (operand := self._operands[name.col_offset]).kind == "word":
                self._check_column(operand.content, operand.place)

    def _misplaced(self, error: SyntaxError) -> UsageError:
        token = self._pattern.match(self._expression, error.offset - 1) if error.offset else None
        if token is None:
            return self._refusal("the expression ends here, expected a value or a column", len(self._expression))
        if token[0] in "()":  # Python says what is wrong with it
            return self._refusal(error.msg, token.start())
        return self._unexpected(token[0], token.start())

    def _unexpected(self, written: str, place: int) -> UsageError:
        if written in "\"'`":
            return self._refusal(f"the {written} is never closed", place, f"end the name or text with {written}")
        right = _INSTEAD.get(written.upper())
        return self._refusal(f"unexpected '{written.strip(_QUOTES)}'", place, f"write {right}" if right else "")

    def _refusal(self, message: str, place: int, hint: str = "") -> UsageError:
        start = max(0, place - _SHOWN)
        shown = self._expression[start : place + _SHOWN]
        return UsageError(f"{_printable(message)}\n  {_printable(shown)}\n  {' ' * (place - start)}^", hint)


def _token_pattern(names: Iterable[str]) -> re.Pattern[str]:
    bare = [name for name in names if _BARE_NAME.fullmatch(name) and not _RESERVED.fullmatch(name)]
    longest_first = sorted(bare, key=len, reverse=True)
    return re.compile(_TOKEN.replace("COLUMNS", "|".join(map(re.escape, longest_first)) or "(?!)"), re.DOTALL)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _known(column: pd.Series) -> Bools:
    known: Bools = column.notna().to_numpy(dtype=np.bool_)
    return known if pd.api.types.is_numeric_dtype(column) else known & (_as_texts(column) != "")


def _as_texts(column: pd.Series) -> NDArray[np.object_]:
    """Return the cells as ``str``, missing ones as the empty string."""
    missing = column.isna().to_numpy(dtype=np.bool_)
    texts = column.to_numpy(dtype=object, copy=True)
    texts[missing] = ""
    if pd.api.types.is_float_dtype(column):
        shown = {number: np.format_float_positional(number, trim="-") for number in column[~missing].unique()}
        return np.array([shown.get(cell, "") for cell in texts], dtype=object)
    if pd.api.types.infer_dtype(texts, skipna=False) not in ("string", "empty"):
        texts[~missing] = [str(cell) for cell in texts[~missing]]
    return texts


def _as_numbers(column: pd.Series) -> tuple[NDArray[np.floating[Any]], str]:
    """Return the cells as numbers, missing ones as NaN; and one cell that is no number, "" where all are."""
    if pd.api.types.is_numeric_dtype(column):
        dtype = np.float32 if column.dtype == np.float32 else np.float64
        return column.to_numpy(dtype=dtype, na_value=np.nan), ""
    texts = _as_texts(column)
    numbers = pd.to_numeric(pd.Series(texts, dtype=object), errors="coerce").to_numpy(dtype=np.float64)
    wrong = texts[np.isnan(numbers) & (texts != "")]
    return numbers, str(wrong[0]) if len(wrong) else ""
