"""Which policies are kept, so that they need not be read again."""

from ratelimit.tenants.account_cache import Accounts
from tenancy.values.policy import Policy
from tests.ratelimit.stores import tokens


def test_so_many_policies_are_kept_and_the_one_not_used_for_longest_goes_first() -> None:
    read: list[str] = []

    def head_of(policy: Policy) -> bytes:
        read.append(policy.tenant_id)
        return policy.tenant_id.encode()

    accounts = Accounts(head_of, lambda model: None, policies=2)
    texts = {name: Policy(name, "k", limits=(tokens(100),)).dump() for name in "abc"}
    for name in "abaacab":
        account = accounts.find(texts[name], "m", 0)
        assert (account.policy.tenant_id, account.head) == (name, name.encode())
    assert "".join(read) == "abcb"
