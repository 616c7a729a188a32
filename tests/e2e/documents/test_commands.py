"""The command blocks of every page run as they stand, one after the other, against one `tollkeeper up`."""

from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.documents.conftest import Shell
from tests.e2e.documents.pages import ROOT, blocks, pages
from tests.web import NO_TLS
from tollkeeper.up.stack import DEV_ADMIN_TOKEN

# Pages whose blocks run elsewhere, since they start or need a deployment of their own.
ELSEWHERE = {
    "docs/client/chatapi.md": "tests/e2e/control_planes/test_chatapi.py::test_the_quick_start_of_our_own_page_works",
    "docs/install.md": "tests/e2e/documents/test_install.py::test_the_page_ends_with_a_deployment_in_order",
}
# A request that was refused, since it has no key; what is known of it comes a moment later.
REFUSED = """
    curl -s -D refused.txt -o /dev/null http://127.0.0.1:10000/v1/models
    REFUSED=$(grep -i x-request-id refused.txt | cut -d' ' -f2 | tr -d '\\r')
    until tollkeeper explain $REFUSED > /dev/null 2>&1; do sleep 0.1; done"""
TRACE = "printf 'at,tenant,input_tokens,output_tokens\\n0,acme,100,50\\n1,trial,100,50\\n' > requests.csv"
# What a page takes for granted.
GIVEN = {
    "docs/client.md": """
        tollkeeper tenant create clients
        SECRET=$(tollkeeper key create clients prod --json | grep -o 'sk_[0-9a-f]\\{48\\}')
        export SECRET""",
    "docs/operate/exports.md": "tollkeeper tenant create my-team",
    "docs/operate/fairness.md": TRACE,
    "docs/install/kubernetes.md": """
        export TOLLKEEPER_GRPC_SECRET=$(openssl rand -hex 32)
        mkdir -p /etc/tollkeeper/tls
        python -m trustme --quiet --identities gateway --dir /etc/tollkeeper/tls
        cd /etc/tollkeeper/tls && mv server.pem tls.crt && mv server.key tls.key && mv client.pem ca.crt && cd -""",
    "docs/operate/mcp.md": "tollkeeper tenant create acme; tollkeeper key create acme prod",
    "docs/operate/pricing.md": f"tollkeeper model create gpt\n{REFUSED}\nID=$REFUSED",
    "docs/operate/webhooks.md": "export SECRET=whsec_$(openssl rand -base64 24)",
}
# The same, ahead of its last block: those before it are pasted as they stand.
GIVEN_LATE = {"README.md": f"{REFUSED}\nREQUEST_ID=$REFUSED\n{TRACE}"}
# What a page must have printed at its end, among other things.
SAID = {
    "README.md": ['"total_tokens"', '"action"'],
    "docs/try.md": ["429 Too Many Requests", "tenant:requests", "403 Forbidden"],
    "docs/client.md": ['"chat.completion"'],
}


@pytest.fixture(autouse=True)
def nothing_left(operator: dict[str, str]) -> Iterator[None]:
    """Each page finds the deployment as `make up` leaves it."""
    yield
    headers = {"authorization": f"Bearer {DEV_ADMIN_TOKEN}"}
    with httpx.Client(
        base_url=f"{operator['TOLLKEEPER_API_URL']}/api/v1", headers=headers, timeout=30, verify=NO_TLS
    ) as api:
        for kind in ("models", "mcp-servers", "tenants"):
            (found,) = (
                value for value in api.get(f"/{kind}").raise_for_status().json().values() if isinstance(value, list)
            )
            for each in sorted(found, key=lambda item: not item.get("targets")):  # aliases first
                api.delete(f"/{kind}/{each['id']}").raise_for_status()


def with_commands() -> list[str]:
    return [page for page in pages() if page not in ELSEWHERE and script(page)]


def script(page: str) -> str:
    """Its blocks as one; what `make up` starts runs already."""
    texts = []
    for block in blocks(page):
        if block.language == "sh":
            texts.append(block.text.replace("make up\n", "\n"))
        elif block.language == "python":
            texts.append(f"python - <<'PYTHON'\nimport os\nSECRET = os.environ['SECRET']\n{block.text}PYTHON\n")
    if page in GIVEN_LATE:
        texts.insert(-1, f"{GIVEN_LATE[page]}\n")
    return "".join(texts)


@pytest.mark.parametrize("page", with_commands())
def test_the_commands_of_a_page_work(page: str, shell: Shell, operator: dict[str, str]) -> None:
    said = shell.run(f"{GIVEN.get(page, '')}\n{script(page)}", **operator)
    places = [text for text in SAID.get(page, []) if text not in said]
    assert places == [], said


@pytest.mark.parametrize("test", ELSEWHERE.values())
def test_the_others_run_elsewhere(test: str) -> None:
    path, _, name = test.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text()
