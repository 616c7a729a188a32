"""Decides requests to MCP servers, as the decider of tenants does those for models: the same budgets, leases and seals.

A refusal is an error of JSON-RPC, with the id of the message that it answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import structlog

from clients.api import Api
from clients.errors import with_rpc_id
from ratelimit.answer_bytes import Field
from ratelimit.budgets.port import Reservation
from ratelimit.budgets.rule import RuleSet
from ratelimit.life import Life, Load
from ratelimit.tenants.account import Account
from ratelimit.tenants.answer import REJECTED, UNAVAILABLE, Refusal, fault_of
from ratelimit.tenants.decider import MAX_LABEL, TenantDecider
from ratelimit.tenants.lease import kept_of_one
from ratelimit.tenants.mcp.message import Message, parse_message
from ratelimit.tenants.mcp.screening import KIND, ROOT, Call, Servers, screen_call
from ratelimit.tenants.request import Request
from ratelimit.tenants.screening import ABSENT, Rejected
from ratelimit.tenants.sealed import form_of
from serving.call import Answer
from serving.call import Call as RpcCall
from tenancy.values.calendar import UnknownTimeZone
from tenancy.values.policy import MalformedPolicy
from tenancy.values.secret import without_secrets

log = structlog.get_logger(__name__)

RPC_ID = "rpc_id"


def is_to_a_server(descriptors: Sequence[Mapping[str, str]]) -> bool:
    return len(descriptors) == 1 and descriptors[0].get("path", "").startswith(ROOT)


class CallDecider(TenantDecider):
    """Of requests whose path begins with ROOT; made as a TenantDecider, with a catalog that knows servers."""

    _catalog: Servers

    def decide(self, descriptors: Sequence[Mapping[str, str]], call: RpcCall) -> Answer:
        """One descriptor."""
        entries, now_ms = descriptors[0], self._now_ms()
        lease_id = self._lease_id(entries, now_ms)
        message, policy = parse_message(entries.get("asked", "")), entries.get("policy", ABSENT)
        fields: list[Field] = [("lease_id", lease_id), form_of(entries), (RPC_ID, message.id)]
        try:
            found = screen_call(
                entries.get("method", ""),
                entries["path"],
                message,
                self._accounts.policy(policy),
                self._catalog,
                self._terms.default_output,
            )
            subjects = (ABSENT, ABSENT) if isinstance(found, Rejected) else found.subjects
            account = self._accounts.find(policy, subjects[0], now_ms, within=subjects[1])
        except (MalformedPolicy, UnknownTimeZone):
            log.error("a request came without a policy; is the authz filter ahead of ratelimit?")
            return partial(self._refuse, None, fields, "unavailable", self._manner.refusal(UNAVAILABLE, Api.MCP))
        label = entries.get("end_user_id", ABSENT)[:MAX_LABEL]
        end_user_id = "" if label == ABSENT else without_secrets(label)
        fields += [("end_user_id", end_user_id), ("kind", KIND), *_called(message)]
        if isinstance(found, Rejected):
            fields.append(("model", found.model))
            return partial(
                self._refuse, account, fields, REJECTED[found.code], self._manner.refusal(fault_of(found), Api.MCP)
            )
        fields += [("model", found.subjects[1]), ("inference", found.priced)]
        return self._asked(found, account, fields, Life(lease_id, account.policy, now_ms), call, end_user_id)

    def _asked(
        self, found: Call, account: Account, fields: list[Field], life: Life, call: RpcCall, end_user_id: str
    ) -> Answer:
        costs, now_ms = account.costs(found.estimate), life.since_ms
        if refused := self._recent_refusals.find(account, costs, now_ms):
            return partial(self._over_limit, account, fields, costs, Api.MCP, refused)
        if not self._has_room():
            return partial(self._refuse, account, fields, "unavailable", self._manner.refusal(UNAVAILABLE, Api.MCP))
        server = found.subjects[1]
        rules = account.rule_set if found.lasts else RuleSet.of(account.rule_set.owner, account.rule_set.rules)
        called = {name: str(text) for name, text in _called(found.message)}
        keeps = kept_of_one(found.estimate, end_user_id, server, f"/{server}", **called)
        reservation = Reservation(rules, costs, life.lease_id, keeps)
        if found.room:
            life.load = Load(found.room, user=account.policy.user_id or end_user_id)
            entered = self._in_flight.enter(life.lease_id, account.policy, now_ms, life.load)
            if entered is None:
                return self._queue(Request(call, life, account, fields.copy, reservation, Api.MCP, found.forward))
            life = entered
        request = Request(call, life, account, fields.copy, reservation, Api.MCP, found.forward)
        outcome = self._reserve(request)
        return None if outcome is None else self._response(request, outcome)

    def _refuse(self, account: Account | None, fields: list[Field], outcome: str, refusal: Refusal) -> bytes:
        id_ = next((str(value) for name, value in fields if name == RPC_ID), "")
        return super()._refuse(account, fields, outcome, replace(refusal, body=with_rpc_id(refusal.body, id_)))


def _called(message: Message) -> list[Field]:
    return [("rpc_method", message.method), ("tool", without_secrets(message.tool))]
