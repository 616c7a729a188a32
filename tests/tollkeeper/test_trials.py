"""A model's endpoint is refused where its name leads to addresses that nobody may be sent to."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

NAMES = {
    "model.test": "10.1.2.3",
    "here.test": "127.0.0.1",
    "linked.test": "169.254.7.7",
    "linked6.test": "fe80::7",
    "cloud.test": "100.100.100.200",
    "all.test": "224.0.0.1",
    "nowhere.test": "0.0.0.0",
}
# In a process with a table of hosts of its own.
TRIED = """
import asyncio, json, sys
from pathlib import Path
from redis.asyncio import Redis
from tenancy.redis.trials import RedisTrials
from tenancy.values.upstream import Endpoint, Upstream
from tollkeeper.envoy.credentials import Credentials
from tollkeeper.envoy.trials import Trials

async def tried(names, link_local):
    secrets = Credentials([], None, Path(sys.argv[1]), b"k")
    trials = Trials(RedisTrials(Redis()), secrets, "", link_local=link_local)
    return {name: await trials.wrong_with("m", Upstream(endpoints=(Endpoint(f"http://{name}"),))) for name in names}

print(json.dumps([asyncio.run(tried(sys.argv[2:], link_local)) for link_local in (False, True)]))
"""


def test_a_name_is_refused_by_the_addresses_that_it_leads_to(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("".join(f"{address} {name}\n" for name, address in NAMES.items()))
    mounted = ["unshare", "-rm", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', str(hosts)]
    if subprocess.run([*mounted, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody have mounts of their own")
    command = [*mounted, sys.executable, "-c", TRIED, str(tmp_path / "secrets"), *NAMES]
    strict, lenient = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert [name for name, wrong in strict.items() if not wrong] == ["model.test", "here.test"]
    assert "linked.test: 169.254.7.7 is link-local" in strict["linked.test"]
    assert not any(lenient.values())
