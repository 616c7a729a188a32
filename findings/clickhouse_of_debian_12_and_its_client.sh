#!/bin/bash
# Debian 12 has a ClickHouse server, and ClickHouse's own Python client cannot say a word to it.
#
# Seen with: clickhouse-server 18.16.1+ds-7.3 (Debian 12), clickhouse-connect 1.12.0, Python 3.11, Linux x86-64.
# Where: `apt-get install clickhouse-server`, and `clickhouse_connect.get_client`.
#
# A package of a stable distribution and the client of the same project are expected to work together.  The package is of
# 2018.  The client's first question selects a column `readonly` of `system.settings`, which that server does not have yet; its answer
# is the HTTP status 404 and an error about an identifier, so what is seen is neither "too old" nor a version.
#
# Seen: the server answers `SELECT version()` over HTTP with 18.16.1; `get_client` raises `DatabaseError` with status 404,
# code 47, `Unknown identifier: readonly`, and its attribute `code` is None.
# Exits 0 if that is still so.
set -euo pipefail
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/python -m pip install --quiet clickhouse-connect==1.12.0

mkdir -p debs/partial root data
apt-get install --yes --quiet=2 --no-install-recommends --reinstall --download-only -o Dir::Cache::archives="$work/debs" \
    -o APT::Sandbox::User=root clickhouse-server=18.16.1+ds-7.3+b2
for package in debs/*.deb; do dpkg-deb -x "$package" root; done
cat > config.xml <<XML
<yandex>
    <logger><level>warning</level><console>1</console></logger>
    <listen_host>127.0.0.1</listen_host><http_port>18123</http_port><tcp_port>19000</tcp_port>
    <path>$work/data/</path><tmp_path>$work/data/tmp/</tmp_path><mark_cache_size>100000000</mark_cache_size>
    <users_config>$work/root/etc/clickhouse-server/users.xml</users_config>
    <default_profile>default</default_profile><default_database>default</default_database>
</yandex>
XML
LD_LIBRARY_PATH=root/usr/lib/x86_64-linux-gnu:root/lib/x86_64-linux-gnu \
    root/usr/sbin/clickhouse-server --config-file="$work/config.xml" > log 2>&1 &

cat > ask.py <<'PY'
import time, urllib.request
import clickhouse_connect
from clickhouse_connect.driver.exceptions import DatabaseError

opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
for _ in range(100):
    try:
        version = opener.open("http://127.0.0.1:18123/?query=SELECT+version()").read().decode().strip()
        break
    except OSError:
        time.sleep(0.2)
assert version == "18.16.1", version
try:
    clickhouse_connect.get_client(host="127.0.0.1", port=18123)
except DatabaseError as error:
    print(str(error)[:160], "| code:", error.code)
    assert "404" in str(error) and "Unknown identifier: readonly" in str(error) and error.code is None
else:
    raise SystemExit("it works now")
PY
venv/bin/python ask.py
