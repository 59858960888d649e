"""Every small change of a module: a comparison, a connective, a constant, a negation, a default.

Words that are only shown (strings, docstrings) stay as they are: a test that holds each of them would hold the wording.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

SWAPPED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change.

    Attributes:
        line: Where, in the source.
        before: The expression, as Python would write it.
        source: The whole module with the change.
    """

    line: int
    before: str
    after: str
    source: str


def mutants(source: str) -> Iterator[Mutant]:
    """All of them, in the order of the source."""
    tree = ast.parse(source)
    for number, node in enumerate(ast.walk(tree)):
        for replacement in _replacements(node):
            changed = copy.deepcopy(tree)
            twin = next(each for at, each in enumerate(ast.walk(changed)) if at == number)
            twin.__class__ = replacement.__class__
            twin.__dict__.clear()
            twin.__dict__.update(copy.deepcopy(replacement.__dict__))
            line = getattr(node, "lineno", 0)
            written = ast.unparse(ast.fix_missing_locations(changed))
            yield Mutant(line, ast.unparse(node), ast.unparse(replacement), written)


def _replacements(node: ast.AST) -> Iterator[ast.expr]:  # noqa: C901 - a table, written as a match
    match node:
        case ast.Compare(left, [operator], [right]):
            yield ast.Compare(left, [SWAPPED[type(operator)]()], [right])
        case ast.Compare(left, [first, *rest], comparators):
            yield ast.Compare(left, [SWAPPED[type(first)](), *rest], comparators)
            yield ast.Compare(left, [first, *(SWAPPED[type(each)]() for each in rest)], comparators)
        case ast.BoolOp(ast.And(), values):
            yield ast.BoolOp(ast.Or(), values)
        case ast.BoolOp(ast.Or(), values):
            yield ast.BoolOp(ast.And(), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.BinOp(left, ast.Add(), right) if not isinstance(right, ast.Constant | ast.JoinedStr):
            yield ast.BinOp(left, ast.Sub(), right)
        case ast.BinOp(left, ast.Sub(), right):
            yield ast.BinOp(left, ast.Add(), right)
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() as value):
            yield ast.Constant(value + 1)
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)
