"""Filters of SCIM (RFC 7644 §3.4.2.2) as conditions of the database. Loaded by the first list that has one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from scim2_models.path import (
    AttributeBinding,
    AttrPath,
    CompareOperator,
    Comparison,
    FilterVisitor,
    LogicalExpr,
    LogicalOperator,
    Not,
    Path,
    Present,
    ScimFilter,
    ValuePath,
    coerce_value,
)
from sqlalchemy import ColumnElement, String, and_, false, not_, null, or_

from app.actions.directory.provisioning_lists import Column, Columns, TooMany, Unfilterable

COMPARE: dict[CompareOperator, Callable[[Any, Any], ColumnElement[bool]]] = {
    CompareOperator.eq: lambda column, value: column == value,
    CompareOperator.gt: lambda column, value: column > value,
    CompareOperator.ge: lambda column, value: column >= value,
    CompareOperator.lt: lambda column, value: column < value,
    CompareOperator.le: lambda column, value: column <= value,
}
AFFORDED = 100  # by one filter: each comparison costs more where no index finds the rows
CHEAP = 20  # a few comparisons, as directories send them before each change
COSTS = {(True, False): 1, (False, False): 3, (True, True): 10, (False, True): 50}  # of (equality, values of a table)
PATTERNS = {CompareOperator.co: "%{}%", CompareOperator.sw: "{}%", CompareOperator.ew: "%{}"}
ESCAPED = str.maketrans({sign: f"/{sign}" for sign in "/%_"})


def criterion_of(scim_filter: ScimFilter[Any], columns: Columns, budget: Budget | None = None) -> ColumnElement[bool]:
    """Return the condition of the rows that a filter selects; it is never unknown. Raises Unfilterable, TooMany."""
    return _Criterion(scim_filter, columns, budget or Budget()).visit(scim_filter.ast)


def order_of(path: Path[Any], columns: Columns) -> Any:
    """Return the value by which a list is sorted. Raises Unfilterable."""
    binding = path.resolve()
    if binding is None:
        return null()  # of another type of resources
    column = columns.get(_key(binding)) if path.value_filter is None else None
    if column is None or column.among is not None:
        raise Unfilterable(f"a list cannot be sorted by {str(path)[:200]}")
    return column.value


def _key(binding: AttributeBinding) -> tuple[str, str | None]:
    of_extension = "extension" in (getattr(binding.model, "__schema__", None) or "")
    return ("", None) if of_extension else (binding.field_name, binding.sub_field_name)


@dataclass(slots=True)
class Budget:
    """What the comparisons of a filter may still cost."""

    left: int = AFFORDED

    @property
    def costly(self) -> bool:
        """Whether more was spent than a directory's look-ups cost."""
        return AFFORDED - self.left > CHEAP

    def spend(self, column: Column, operator: CompareOperator | None) -> None:
        """Count a comparison; raise TooMany when there are more than a database does in a moment."""
        self.left -= COSTS[operator == CompareOperator.eq, column.among is not None]
        if self.left < 0:
            raise TooMany("the filter has too many comparisons: ask for less at once")


@dataclass(frozen=True, slots=True)
class _Criterion(FilterVisitor[ColumnElement[bool]]):
    """Translate a filter; `within` is the attribute whose values a selection in brackets is about."""

    filter: ScimFilter[Any]
    columns: Columns
    budget: Budget
    within: AttrPath | None = None

    def visit_comparison(self, node: Comparison) -> ColumnElement[bool]:
        """Compare an attribute, or one of its values, with a value."""
        path = self._path(node.attr_path)
        binding = self._resolve(path)
        if binding is None:
            return false()  # RFC 7644 §3.4.2.1: of another type of resources
        column = self._column(path, binding)
        self.budget.spend(column, node.op)
        value = _storable(coerce_value(binding, node.value, node.op))
        if node.op == CompareOperator.ne:  # RFC 7644 §3.4.2.2: of several values, none may be equal
            return not_(self._among(column, _compare(column, CompareOperator.eq, value)))
        return self._among(column, _compare(column, node.op, value))

    def visit_present(self, node: Present) -> ColumnElement[bool]:
        """Test whether an attribute has a value."""
        path = self._path(node.attr_path)
        binding = self._resolve(path)
        if binding is None:
            return false()
        column = self._column(path, binding)
        self.budget.spend(column, None)
        return self._among(column, column.value.is_not(None))

    def visit_not(self, node: Not) -> ColumnElement[bool]:
        """Negate."""
        return not_(self.visit(node.expr))

    def visit_logical_expr(self, node: LogicalExpr) -> ColumnElement[bool]:
        """Join by `and` or `or`."""
        terms = [self.visit(term) for term in node.terms]
        return and_(*terms) if node.op == LogicalOperator.and_ else or_(*terms)

    def visit_value_path(self, node: ValuePath) -> ColumnElement[bool]:
        """Apply a filter to each value of an attribute."""
        binding = self._resolve(node.attr_path)
        if binding is None:
            return false()
        column = self._column(node.attr_path, binding)
        inner: ColumnElement[bool] = replace(self, within=node.attr_path).visit(node.val_filter)
        return and_(column.value.is_not(None), inner) if column.among is None else column.among(inner)

    def _path(self, path: AttrPath) -> AttrPath:
        return path if self.within is None else AttrPath(self.within.attr, path.attr, self.within.uri)

    def _resolve(self, path: AttrPath) -> AttributeBinding | None:
        return self.filter.resolve_comparison(path, strict=False)

    def _column(self, path: AttrPath, binding: AttributeBinding) -> Column:
        column = self.columns.get(_key(binding))
        if column is None:
            raise Unfilterable(f"a list cannot be filtered by {str(path)[:200]}")
        return column

    def _among(self, column: Column, condition: ColumnElement[bool]) -> ColumnElement[bool]:
        return condition if column.among is None or self.within is not None else column.among(condition)


def _compare(column: Column, operator: CompareOperator, value: Any) -> ColumnElement[bool]:
    if value is None:
        return column.value.is_(None) if operator == CompareOperator.eq else false()
    if operator == CompareOperator.eq and column.equal is not None:
        return column.equal(value)
    if operator in PATTERNS and not (isinstance(column.value.type, String) and isinstance(value, str)):
        raise Unfilterable("only a text contains another, or begins or ends with it")
    folded = column.fold(value)
    if operator in PATTERNS:
        pattern = PATTERNS[operator].format(folded.translate(ESCAPED))
        return and_(column.value.is_not(None), column.value.like(column.bind(pattern), escape="/"))
    return and_(column.value.is_not(None), COMPARE[operator](column.value, column.bind(folded)))


def _storable(value: Any) -> Any:
    """Return a value that can be in the database. Raises Unfilterable."""
    if isinstance(value, str) and ("\0" in value or (not value.isascii() and not _is_text(value))):
        raise Unfilterable("a filter contains a character that cannot be stored")
    return value


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
