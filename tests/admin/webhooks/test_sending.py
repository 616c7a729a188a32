"""What is sent, how it is signed, and what becomes of it when the receiver is slow, wrong or away."""

import asyncio
import socket
import sys
import time

import pytest
from standardwebhooks import Webhook as Verifier
from standardwebhooks.webhooks import WebhookVerificationError

from tenancy.values.receiver import Reach
from tests.admin.webhooks.conftest import BY, SECRETS, Hooks
from tests.admin.webhooks.receiver import Receiver
from tests.admin.webhooks.sender import deliverer
from tests.conftest import PATIENT


async def test_an_event_arrives_signed_as_the_reference_library_verifies_it(hooks: Hooks, receiver: Receiver) -> None:
    webhook, secret = await hooks.hook(receiver.url + "?team=a")
    await hooks.happen()
    async with hooks.sending():
        (delivery,) = await hooks.ended(webhook)
    (got,) = receiver.got
    says = got.verified(secret)
    assert (says["type"], says["data"], got.path) == ("tenant.created", {"number": 0}, "/hook?team=a")
    assert got.headers["content-type"] == "application/json"
    assert (delivery.state, delivery.status, delivery.attempts, delivery.event_id) == ("delivered", 204, 1, got.id)
    with pytest.raises(WebhookVerificationError):
        got.verified(SECRETS.shown(SECRETS.new_salt()))
    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify(got.body + b" ", got.headers)


async def test_while_a_secret_is_replaced_both_verify(hooks: Hooks, receiver: Receiver) -> None:
    webhook, old = await hooks.hook(receiver.url)
    salt = SECRETS.new_salt()
    rotated = await hooks.port.rotate(webhook.id, salt, 3600, BY)
    assert rotated.old_secrets_until is not None
    last = SECRETS.new_salt()
    async with hooks.sending():
        await hooks.happen()
        await hooks.ended(webhook)
        for secret in (old, SECRETS.shown(salt)):
            assert receiver.got[0].verified(secret)
        await hooks.port.rotate(webhook.id, last, 0, BY)
        await hooks.happen()
        await hooks.ended(webhook, 2)
    assert receiver.got[1].verified(SECRETS.shown(last))
    for secret in (old, SECRETS.shown(salt)):
        with pytest.raises(WebhookVerificationError):
            receiver.got[1].verified(secret)


async def test_what_fails_is_sent_again_under_the_same_id(hooks: Hooks, receiver: Receiver) -> None:
    webhook, secret = await hooks.hook(receiver.url)
    receiver.answer = lambda _: (
        (500, {}, b"no\x1b[31m room" + b"!" * 10_000) if len(receiver.got) < 3 else (200, {}, b"ok")
    )
    await hooks.happen()
    async with hooks.sending():
        (delivery,) = await hooks.ended(webhook)
    assert (delivery.state, delivery.attempts, delivery.status, delivery.response) == ("delivered", 3, 200, "ok")
    assert len({got.id for got in receiver.got}) == 1
    assert len({got.body for got in receiver.got}) == 1
    assert all(got.verified(secret) for got in receiver.got)


async def test_one_to_which_nothing_comes_through_is_disabled_and_says_so(hooks: Hooks, receiver: Receiver) -> None:
    webhook, _ = await hooks.hook(receiver.url)
    receiver.answer = lambda _: (500, {}, b"no\x1b[31m room" + b"!" * 10_000)
    await hooks.happen()
    async with hooks.sending():
        (delivery,) = await hooks.ended(webhook)
    assert (delivery.state, delivery.attempts, delivery.error) == ("failed", 3, "the answer was 500")
    assert delivery.response.startswith("no [31m room!")
    assert len(delivery.response) == 500
    found = await hooks.port.get(webhook.id)
    assert found is not None
    assert (found.enabled, found.disabled_because) == (
        False,
        "nothing came through in 3 attempts; at last: the answer was 500",
    )
    async with hooks.pool.acquire() as connection:
        actions = await connection.fetch("SELECT actor, action, target_id FROM audit_log ORDER BY id DESC LIMIT 1")
    assert [tuple(each) for each in actions] == [("webhooks", "disable_webhook", webhook.id)]
    again = await hooks.port.update(webhook.id, {"enabled": True}, BY)
    assert (again.enabled, again.disabled_because) == (True, "")


async def test_one_that_takes_other_events_is_not_disabled(hooks: Hooks, receiver: Receiver) -> None:
    webhook, _ = await hooks.hook(receiver.url)
    receiver.answer = lambda got: (500 if b'"number": 0' in got.body else 200, {}, b"")
    await hooks.happen(4)
    async with hooks.sending():
        ended = await hooks.ended(webhook, 4)
    assert [each.state for each in ended] == ["failed", "delivered", "delivered", "delivered"]
    found = await hooks.port.get(webhook.id)
    assert found is not None
    assert found.enabled


async def test_one_that_is_gone_is_disabled_at_once_and_what_waits_is_given_up(
    hooks: Hooks, receiver: Receiver
) -> None:
    webhook, _ = await hooks.hook(receiver.url)
    receiver.answer = lambda _: (410, {}, b"")
    await hooks.happen(6)
    async with hooks.sending():
        ended = await hooks.ended(webhook, 6)
    assert {each.state for each in ended} == {"failed"}
    assert len(receiver.got) == 4  # that many at a time
    assert {each.error for each in ended[4:]} == {"the webhook was disabled"}
    found = await hooks.port.get(webhook.id)
    assert found is not None
    assert found.disabled_because == "the receiver says 410 Gone: it wants no more"


async def test_redirects_are_not_followed(hooks: Hooks, receiver: Receiver) -> None:
    webhook, _ = await hooks.hook(receiver.url)
    receiver.answer = lambda _: (307, {"location": receiver.url + "/elsewhere"}, b"")
    await hooks.happen()
    async with hooks.sending():
        (delivery,) = await hooks.ended(webhook)
    assert delivery.error == "the answer was 307; redirects are not followed"
    assert {got.path for got in receiver.got} == {"/hook"}


async def test_a_slow_one_meets_its_deadline_and_holds_up_no_other(hooks: Hooks, receiver: Receiver) -> None:
    def answer(got: object) -> tuple[int, dict[str, str], bytes]:
        if getattr(got, "path", "") == "/hook/slow":
            time.sleep(2.0)
        return 200, {}, b""

    receiver.answer = answer
    slow, _ = await hooks.hook(receiver.url + "/slow", "slow")
    quick, _ = await hooks.hook(receiver.url, "quick")
    await hooks.happen(8)
    async with hooks.sending(seconds=1.0):
        await hooks.ended(quick, 8)
        assert {each.state for each in await hooks.port.deliveries(slow.id, 10)} == {"waiting"}
        ended = await hooks.ended(slow, 8, 60)
    # After three of them nothing came through, and the rest was given up.
    assert "there was no whole answer within 1 s" in {each.error for each in ended}


async def test_one_that_is_away_is_tried_again(hooks: Hooks) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    webhook, _ = await hooks.hook(f"http://127.0.0.1:{port}/")
    await hooks.happen()
    async with hooks.sending():
        (delivery,) = await hooks.ended(webhook)
    assert (delivery.attempts, delivery.status) == (3, None)
    assert "attempts failed" in delivery.error or "refused" in delivery.error


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_where_a_name_leads_is_checked_when_something_is_sent(
    hooks: Hooks, receiver: Receiver, host: str
) -> None:
    webhook, _ = await hooks.hook(receiver.url.replace("127.0.0.1", host))
    await hooks.happen()
    async with hooks.sending(reach=Reach(private=True)):
        (delivery,) = await hooks.ended(webhook)
    assert "is this machine" in delivery.error
    assert receiver.got == []


async def test_two_processes_send_each_event_once(hooks: Hooks, receiver: Receiver) -> None:
    webhook, _ = await hooks.hook(receiver.url)
    await hooks.happen(120)
    async with hooks.sending(), hooks.sending():
        ended = await hooks.ended(webhook, 120, PATIENT)
    assert {each.state for each in ended} == {"delivered"}
    assert len(receiver.got) == len({got.id for got in receiver.got}) == 120


async def test_what_a_killed_process_was_sending_another_sends_again(
    hooks: Hooks, receiver: Receiver, database_url: str
) -> None:
    webhook, _ = await hooks.hook(receiver.url)
    await hooks.happen()
    stop = asyncio.Event()

    def answer(_: object) -> tuple[int, dict[str, str], bytes]:
        while len(receiver.got) == 1 and not stop.is_set():
            time.sleep(0.02)
        return 200, {}, b""

    receiver.answer = answer
    command = (sys.executable, "-m", "tests.admin.webhooks.sender", database_url, "1.0")
    killed = await asyncio.create_subprocess_exec(*command)
    try:
        await asyncio.to_thread(receiver.wait_for, 1, PATIENT)
    finally:
        killed.kill()
        await killed.wait()
    (waiting,) = await hooks.port.deliveries(webhook.id, 10)
    assert (waiting.state, waiting.attempts) == ("waiting", 1)
    try:
        async with hooks.sending():
            (delivery,) = await hooks.ended(webhook)
    finally:
        stop.set()
    assert (delivery.state, delivery.attempts) == ("delivered", 2)
    first, second = receiver.got
    assert (first.id, first.body) == (second.id, second.body)


async def test_it_ends_when_told_to_also_in_the_moment_in_which_a_delivery_does(hooks: Hooks) -> None:
    found = deliverer(hooks.pool)
    task = asyncio.create_task(found.run())
    await asyncio.sleep(0.2)  # until it waits for something to do
    found._room.set()  # as a delivery does that has ended
    task.cancel()
    await asyncio.wait([task], timeout=PATIENT)
    assert task.cancelled()


async def test_a_full_queue_drops_what_comes_and_counts_it(
    hooks: Hooks, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tenancy.postgres.webhooks.events.WRITE", small_queue(3))  # the real one takes 10,000
    webhook, _ = await hooks.hook(receiver.url)
    await hooks.happen(5)
    found = await hooks.port.get(webhook.id)
    assert found is not None
    assert found.dropped == 2
    assert len(await hooks.port.deliveries(webhook.id, 10)) == 3


def small_queue(room: int) -> str:
    from tenancy.postgres.webhooks.events import MAX_WAITING, WRITE

    return WRITE.replace(str(MAX_WAITING), str(room))
