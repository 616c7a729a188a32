"""A bell wakes its task from any thread and at any time; nobody is disturbed by one that nobody hears."""

import asyncio
import threading

from serving.bell import Bell


async def test_it_wakes_its_task_from_another_thread_each_time() -> None:
    bell, heard = Bell(), asyncio.Queue[int]()

    async def listen() -> None:
        for number in range(3):
            await bell.heard()
            heard.put_nowait(number)

    task = asyncio.create_task(listen())
    for number in range(3):
        thread = threading.Thread(target=bell.ring)
        thread.start()
        assert await asyncio.wait_for(heard.get(), 30) == number
        thread.join()
    await task


async def test_what_rang_before_anybody_listened_is_heard_once() -> None:
    bell = Bell()
    bell.ring()
    bell.ring()
    await asyncio.wait_for(bell.heard(), 30)
    again = asyncio.create_task(bell.heard())
    await asyncio.sleep(0)
    assert not again.done()
    bell.ring()
    await asyncio.wait_for(again, 30)


async def test_what_rings_meanwhile_needs_no_round_of_its_own() -> None:
    bell = Bell()
    bell.ring()
    first = asyncio.create_task(bell.heard(0.01))
    await asyncio.sleep(0)
    bell.ring()
    await asyncio.wait_for(first, 30)
    again = asyncio.create_task(bell.heard())
    await asyncio.sleep(0)
    assert not again.done()
    again.cancel()


def test_one_whose_loop_has_ended_may_still_be_rung() -> None:
    bell = Bell()

    async def listen() -> None:
        bell.ring()
        await bell.heard()

    asyncio.run(listen())
    bell.ring()
