"""What lies in Redis and travels from authz to ratelimit: the exact text, and the texts of other versions.

Processes of two versions run side by side while a deployment is rolled out, so each must read what the other writes.
"""

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tenancy.directory.capacity import Capacity
from tenancy.resolving.catalog import KnownModels
from tenancy.values.calendar import Calendar
from tenancy.values.key_record import KeyRecord
from tenancy.values.limit import Kind, Limit, Scope, Unit
from tenancy.values.policy import MalformedPolicy, Policy
from tenancy.values.prices import Prices
from tests.tenancy.people import a_record

PLAIN = Limit(Scope.TENANT, Unit.TOKENS, 5, 60)
FULL = Limit(
    Scope.GROUP, Unit.COST, 7, 86_400, "gold", "lim_1", "spend", Kind.FIXED, Calendar.DAY, "Europe/Paris", 10, 200, True
)
POLICY = Policy("acme", "k", "ann", "gold", 50, 3, ("m1", "é"), (PLAIN, FULL))
RECORD = a_record(
    version=7,
    expires_at=datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    models_allowed=("m1",),
    further_limits=(FULL,),
)
CAPACITY = Capacity(3, None, 2, datetime(2030, 1, 2, tzinfo=UTC))
MODELS = KnownModels(5, {"a": True, "b": False}, {"a": Prices.of_millionths(1, 2, 3)})
FULL_ROW = '["group","cost",7,86400,"gold","lim_1","spend","fixed_window","day","Europe/Paris",10,200,true]'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Policy("acme", "k"), '["acme","k","","default",100,null,null,[]]'),
        (Policy("acme", "k", key_max_in_flight=2), '["acme","k","","default",100,null,null,[],2]'),
        (POLICY, f'["acme","k","ann","gold",50,3,["m1","é"],[["tenant","tokens",5,60,""],{FULL_ROW}]]'),
        (
            RECORD,
            '{"version":7,"key_id":"key-1","key_name":"prod","tenant_id":"acme","tenant_name":"Acme",'
            '"fairshare_group":"default","weight":100,"disabled":false,"suspended":false,'
            '"expires_at":"2030-01-02T03:04:05.678901+00:00","user_id":"","max_in_flight":null,'
            '"models_allowed":["m1"],"tokens_per_minute":null,"requests_per_minute":null,'
            '"key_tokens_per_minute":null,"key_requests_per_minute":null,"user_tokens_per_minute":null,'
            f'"user_requests_per_minute":null,"further_limits":[{FULL_ROW}],"key_max_in_flight":null}}',
        ),
        (
            CAPACITY,
            '{"version":2,"max_in_flight":3,"max_in_flight_total":null,"updated_at":"2030-01-02T00:00:00+00:00"}',
        ),
        (
            MODELS,
            '{"version":5,"models":[{"name":"a","enabled":true,"prices":[1,2,3],'
            '"price_set":[0,[100,200,300,100,100,200,100,200,100,200,0,0,0]]},{"name":"b","enabled":false}]}',
        ),
        (
            KnownModels(5, {"b": False}, created={"b": 1_700_000_000}),
            '{"version":5,"models":[{"name":"b","enabled":false,"created":1700000000}]}',
        ),
    ],
)
def test_the_text_of_a_value_and_back(value: Policy | KeyRecord | Capacity | KnownModels, text: str) -> None:
    assert value.dump() == text
    assert type(value).load(text) == value


def test_what_a_newer_version_adds_at_the_end_is_ignored() -> None:
    policy = json.loads(POLICY.dump())
    limits = [[*FULL.row(), "new", {"newer": 1}]]
    more = json.dumps([*policy[:7], limits, 7, "new", None])
    assert Policy.load(more) == replace(POLICY, limits=(FULL,), key_max_in_flight=7)
    assert KeyRecord.load(_with(RECORD.dump(), new=1, further_limits=limits)) == RECORD
    assert Capacity.load(_with(CAPACITY.dump(), new=1)) == CAPACITY
    models = [{"name": "a", "enabled": True, "prices": [1, 2, 3, 4], "new": 1}, {"name": "b", "enabled": False}]
    assert KnownModels.load(_with(MODELS.dump(), new=1, models=models)) == MODELS
    row = Prices.of_set({"input_price": "1"}, [{"service_tier": "batch", "input_price": "2"}]).row()
    newer = [row[0], [*row[1], 7], *([*step[:2], [*step[2], 7], "new"] for step in row[2:])]
    assert Prices.of_row(newer) == Prices.of_row(row)


@pytest.mark.parametrize("length", range(8))
def test_a_policy_without_its_limits_is_not_one_that_has_none(length: int) -> None:
    with pytest.raises(MalformedPolicy):
        Policy.load(json.dumps(json.loads(POLICY.dump())[:length]))


@pytest.mark.parametrize("length", range(5, 14))
def test_what_an_older_version_does_not_write_of_a_limit_has_its_default(length: int) -> None:
    fields = [getattr(FULL, name) for name in Limit.__dataclass_fields__]
    assert Limit.of_row(FULL.row()[:length]) == Limit(*fields[:length])


def test_a_record_of_an_older_version_has_defaults_too() -> None:
    older = json.dumps({name: value for name, value in json.loads(a_record().dump()).items() if value})
    assert KeyRecord.load(older) == a_record()
    assert KnownModels.load('{"version":5,"models":[{"name":"a","enabled":true,"prices":[1]}]}').prices == {
        "a": Prices.of_millionths(1)
    }


@pytest.mark.parametrize("text", ["", "{", "null", "7", '"ab"', "[]", '{"acme":1,"k":2}'])
def test_anything_else_is_not_a_policy(text: str) -> None:
    with pytest.raises(MalformedPolicy):
        Policy.load(text)


def test_a_record_without_its_tenant_is_not_a_record() -> None:
    with pytest.raises(TypeError):
        KeyRecord.load('{"version":1,"key_id":"k","key_name":"k"}')


def _with(text: str, **more: object) -> str:
    return json.dumps(json.loads(text) | more)
