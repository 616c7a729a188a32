"""What both stores hold, as text: written down, and brought back as if it had been written down a moment ago."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import redis

from tollkeeper.wheels import postgres_runtime

AT_MS = re.compile(r'"at_ms":(\d+)')  # within a lease
RESTRICT = "upgrade"  # else pg_dump makes up a key, and no two dumps are the same


def dump_postgres(url: str, file: Path) -> None:
    """The whole database as SQL for psql."""
    options = ["--no-owner", "--no-privileges", f"--restrict-key={RESTRICT}", f"--file={file}"]
    _run("pg_dump", *options, url)


def load_postgres(url: str, file: Path) -> None:
    """Into an empty database."""
    _run("psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", f"--file={file}", url)


def dump_redis(client: "redis.Redis") -> dict[str, Any]:
    """Every key with its type, its value and its life left in ms (null: for ever), and the server's clock."""
    readers: dict[str, Any] = {
        "string": client.get,
        "hash": client.hgetall,
        "zset": lambda name: _scores(client, name),
    }
    keys = {}
    for name in sorted(map(str, client.scan_iter())):
        kind, life = str(client.type(name)), client.pttl(name)
        keys[name] = {"type": kind, "value": readers[kind](name), "life_ms": None if life == -1 else life}
    return {"now_ms": _now_ms(client), "keys": keys}


def load_redis(client: "redis.Redis", dump: dict[str, Any]) -> None:
    """Times of budgets and leases move by the age of the dump, so that what was in flight is in flight."""
    age_ms = _now_ms(client) - dump["now_ms"]
    for name, key in dump["keys"].items():
        value = key["value"]
        if key["type"] == "string":
            client.set(name, AT_MS.sub(lambda found: f'"at_ms":{int(found[1]) + age_ms}', value))
        elif key["type"] == "hash":
            client.hset(name, mapping=value | ({"at_ms": int(value["at_ms"]) + age_ms} if "at_ms" in value else {}))
        else:
            client.zadd(name, {member: score + age_ms for member, score in value.items()})
        if key["life_ms"] is not None:
            client.pexpire(name, key["life_ms"])


def load_file(path: Path) -> Any:
    return json.loads(path.read_text())


def save_file(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def _scores(client: "redis.Redis", name: str) -> dict[str, int]:
    return {member: int(client.zscore(name, member) or 0) for member in map(str, client.zrange(name, 0, -1))}


def _now_ms(client: "redis.Redis") -> int:
    seconds, micros = client.time()
    return int(seconds) * 1000 + int(micros) // 1000


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run(
        [postgres_runtime() / "bin" / program, *arguments], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
