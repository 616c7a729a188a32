"""The ledger's own columns, a record for each request.  Pure."""

from decimal import Decimal
from typing import Any, get_type_hints

from admin.commands.exports.columns import Column, Kind
from admin.commands.exports.focus import Context
from ledger.cost import UNIT_DECIMALS, Cost, PricedRow
from ledger.row import UsageRow

KINDS = {str: Kind.TEXT, int: Kind.WHOLE, bool: Kind.FLAG, int | None: Kind.WHOLE, str | None: Kind.TEXT}


def _of_usage(name: str, type_: Any) -> Column:
    return Column(name, KINDS.get(type_, Kind.TIME), lambda row, context: getattr(row.usage, name))


def _of_cost(name: str) -> Column:
    return Column(f"{name}_cost", Kind.MONEY, lambda row, context: _money(getattr(row.cost, name)))


def _money(units: int) -> Decimal:
    return Decimal(units).scaleb(-UNIT_DECIMALS)


def _tenant_name(row: PricedRow, context: Context) -> str | None:
    return context.tenants.get(row.usage.tenant_id)


def _key_name(row: PricedRow, context: Context) -> str | None:
    return context.keys.get(row.usage.key_id)


LEDGER_ROWS = (
    *(_of_usage(name, type_) for name, type_ in get_type_hints(UsageRow).items()),
    *map(_of_cost, Cost._fields),
    Column("cost", Kind.MONEY, lambda row, context: _money(sum(row.cost))),
    Column("saved_cost", Kind.MONEY, lambda row, context: _money(row.saved)),
    Column("price_version", Kind.WHOLE, lambda row, context: row.price_version),
    Column("tenant_name", Kind.TEXT, _tenant_name),
    Column("key_name", Kind.TEXT, _key_name),
    Column("currency", Kind.TEXT, lambda row, context: context.currency),
)
