"""Every small change of a module: a comparison, a connective, a condition, a constant, a sign, a bound.

Words that are only shown (strings, docstrings) stay as they are: a test that holds each of them would hold the wording.
The exact size of a named bound stays, too.
"""

from __future__ import annotations

import ast
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
OPPOSITES = {"any": "all", "all": "any", "min": "max", "max": "min"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change.

    Attributes:
        number: Of the node, as `ast.walk` comes by them.
        lines: Of the expression and the beginning of its statement: the tests that run one of them may notice.
        scope: The function or class that it stands in; empty at the top.
        before: The expression, as Python would write it.
        after: What stands in its place.
    """

    number: int
    lines: frozenset[int]
    scope: str
    before: str
    after: str

    def tree(self, source: str) -> ast.Module:
        """The whole module with the change."""
        tree = ast.parse(source)
        node = next(each for at, each in enumerate(ast.walk(tree)) if at == self.number)
        twin = ast.parse(self.after, mode="eval").body
        node.__class__ = twin.__class__  # in its place, so that its parent need not be known
        node.__dict__.clear()
        node.__dict__.update(twin.__dict__)
        return ast.fix_missing_locations(tree)


def mutants(source: str) -> Iterator[Mutant]:
    """All of them, in the order of `ast.walk`."""
    tree = ast.parse(source)
    places = dict(_places(tree, "", 0))
    conditions, bounds = set(_conditions(tree)), set(_bounds(tree))
    for number, node in enumerate(ast.walk(tree)):
        if node not in places or node in bounds:
            continue
        scope, statement = places[node]
        begin = getattr(node, "lineno", statement)
        lines = frozenset({statement, *range(begin, (getattr(node, "end_lineno", begin) or begin) + 1)})
        for replacement in _replacements(node, is_condition=node in conditions):
            yield Mutant(number, lines, scope, ast.unparse(node), ast.unparse(replacement))


def _places(node: ast.AST, scope: str, statement: int) -> Iterator[tuple[ast.AST, tuple[str, int]]]:
    """Scope and first line of the statement of each expression; annotations and decorators judge nothing."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST):
                continue
            inner, line = scope, child.lineno if isinstance(child, ast.stmt) else statement
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = f"{scope}.{child.name}".lstrip(".")
            yield child, (inner, line)
            yield from _places(child, inner, line)


def _bounds(tree: ast.Module) -> Iterator[ast.AST]:
    """What is within `MAX_...: Final = 1000`: that a bound holds is tested where it is used, its last unit nowhere."""
    for statement in tree.body:
        match statement:
            case (
                ast.AnnAssign(value=ast.Constant() | ast.BinOp() as value)
                | ast.Assign(value=ast.Constant() | ast.BinOp() as value)
            ):
                yield from ast.walk(value)


def _conditions(tree: ast.AST) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        match node:
            case ast.If(test=test) | ast.While(test=test) | ast.match_case(guard=ast.expr() as test):
                yield test
            case ast.comprehension(ifs=tests):
                yield from tests
            case ast.BoolOp(values=tests):
                yield from tests


def _replacements(node: ast.AST, *, is_condition: bool) -> Iterator[ast.expr]:  # noqa: C901 - a table, as a match
    match node:
        case ast.Compare(left, operators, right):
            for at, operator in enumerate(operators):
                yield ast.Compare(left, [*operators[:at], SWAPPED[type(operator)](), *operators[at + 1 :]], right)
        case ast.BoolOp(ast.And(), values):
            yield ast.BoolOp(ast.Or(), values)
        case ast.BoolOp(ast.Or(), values):
            yield ast.BoolOp(ast.And(), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.BinOp(left, ast.Add(), right) if not isinstance(right, ast.JoinedStr):
            yield ast.BinOp(left, ast.Sub(), right)
        case ast.BinOp(left, ast.Sub(), right):
            yield ast.BinOp(left, ast.Add(), right)
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() as value):
            yield ast.Constant(value + 1)
        case ast.Call(ast.Name(name), arguments, keywords) if name in OPPOSITES:
            yield ast.Call(ast.Name(OPPOSITES[name]), arguments, keywords)
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.expr() if is_condition:
            yield ast.UnaryOp(ast.Not(), node)
