#!/bin/bash
# DuckDB reads most of Parquet's decimals beyond 38 digits as a power of 256 times their value.
#
# Seen with: pyarrow 26.0.1 (writes), duckdb 1.5.6 (reads), Python 3.11, Linux x86-64.
# Where: `pyarrow.parquet.write_table` of a decimal256 column, and `SELECT` from the file in DuckDB.
#
# DuckDB's own decimals have up to 38 digits.  A good engineer expects wider ones to be refused, or to come as DOUBLE and
# so rounded.  They come as DOUBLE, without a warning, and as another number: Parquet keeps such a decimal in as few
# bytes as its precision needs (pyarrow: 17 for 39 digits, 21 for 50, 32 for 76), DuckDB takes eight at a time, and a
# last piece that has fewer as if it had eight.  So 1 becomes 256^7 of 39 digits and 256^3 of 50; of 76 digits, where 32
# bytes are four whole pieces, it is right, so a test with the widest type finds nothing.  The same table, read as an
# Arrow table and not from the file, is refused.  A change for it waits in duckdb/duckdb#25058.
#
# Seen: 1 of decimal(38, 10) is 1, of (39, 10) 72057594037927936.0, of (50, 10) 16777216.0, of (76, 10) 1.0; pyarrow
# reads 1 back from each file; DuckDB on the Arrow table: "Not implemented Error: Unsupported Internal Arrow Type for
# Decimal".
# Exits 0 if that is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet pyarrow==26.0.1 duckdb==1.5.6
venv/bin/python - <<'PY'
from decimal import Decimal

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

EXPECTED = {38: ("DECIMAL(38,10)", Decimal(1)), 39: ("DOUBLE", 256.0**7), 50: ("DOUBLE", 256.0**3), 76: ("DOUBLE", 1.0)}

for digits, expected in EXPECTED.items():
    kind = pa.decimal128(digits, 10) if digits <= 38 else pa.decimal256(digits, 10)
    held = pa.table({"amount": pa.array([Decimal(1)], kind)})
    pq.write_table(held, "amounts.parquet")
    assert pq.read_table("amounts.parquet")["amount"].to_pylist() == [Decimal(1)]
    found = duckdb.sql("SELECT typeof(amount), amount FROM 'amounts.parquet'").fetchone()
    print(f"1 as decimal({digits}, 10): DuckDB reads {found}")
    assert found == expected, (found, expected)
try:
    duckdb.sql("SELECT amount FROM held").fetchall()
except duckdb.NotImplementedException as error:
    print("the Arrow table itself:", str(error).splitlines()[0])
else:
    raise SystemExit("DuckDB takes the Arrow table now")
PY
