"""Which policies are kept, so that they need not be read again."""

from ratelimit.tenants.account_cache import Accounts
from tenancy.values.policy import Policy
from tests.ratelimit.stores import tokens


def test_so_many_policies_are_kept_and_the_one_not_used_for_longest_goes_first() -> None:
    read: list[str] = []

    def make(policy: Policy) -> str:
        read.append(policy.tenant_id)
        return policy.tenant_id

    accounts = Accounts(make, lambda model: None, policies=2)
    texts = {name: Policy(name, "k", limits=(tokens(100),)).dump() for name in "abc"}
    for name in "abaacab":
        account, made = accounts.find(texts[name], "m", 0)
        assert (account.policy.tenant_id, made) == (name, name)
    assert "".join(read) == "abcb"
