"""Tables as Parquet.  pyarrow is the extra `parquet`: it is imported when somebody asks for such a file."""

import io
from collections.abc import Callable, Iterator
from typing import Any

from admin.commands.exports.columns import MONEY_DECIMALS, Kind, Table
from admin.commands.refusals import invalid

MEDIA_TYPE = "application/vnd.apache.parquet"
MONEY_DIGITS = 38  # as many as a decimal of 128 bits has
MISSING = "parquet is not installed where the management API runs: pip install 'tollkeeper[parquet]'"


def written(table: Table) -> Callable[[], Iterator[bytes]]:
    """What makes the file: one row group.  Refused without pyarrow."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise invalid(("format", MISSING)) from None
    types = {
        Kind.TEXT: pa.string(),
        Kind.MONEY: pa.decimal128(MONEY_DIGITS, MONEY_DECIMALS),
        Kind.WHOLE: pa.int64(),
        Kind.FLAG: pa.bool_(),
        Kind.TIME: pa.timestamp("ms", tz="UTC"),
    }
    schema = pa.schema([(column.name, types[column.kind]) for column in table.columns])

    def make() -> Iterator[bytes]:
        values: list[tuple[Any, ...]] = [*zip(*table.rows(), strict=True)] or [()] * len(schema)
        arrays = [pa.array(of_column, field.type) for of_column, field in zip(values, schema, strict=True)]
        file = io.BytesIO()
        pq.write_table(pa.Table.from_arrays(arrays, schema=schema), file)
        yield file.getvalue()

    return make
