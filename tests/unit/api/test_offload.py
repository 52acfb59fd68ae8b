"""A store that hangs holds a bounded number of callers, and nobody who asks another."""

import asyncio
import threading

import pytest

from api.context import MAX_WAITING, Offload, TooSlow
from contracts.errors import Transient
from tests.unit.api.kit import live


@live
async def test_who_comes_when_too_many_wait_is_told_at_once() -> None:
    offload, answers = Offload(60.0), threading.Event()
    waiting = [asyncio.create_task(offload.run("items", answers.wait)) for _ in range(MAX_WAITING)]
    try:
        await asyncio.sleep(0)  # each has begun
        with pytest.raises(Transient, match=f"items: {MAX_WAITING} calls wait already"):
            await offload.run("items", answers.wait)
        assert await offload.run("control", str) == ""
    finally:
        answers.set()
    assert all(await asyncio.gather(*waiting))
    assert await offload.run("items", str) == "", "there is room again"
    offload.close()


@live
async def test_who_gave_up_still_holds_a_place_until_the_store_answers() -> None:
    """Its thread is busy: else any number of them would be."""
    offload, answers = Offload(0.01), threading.Event()
    try:
        given_up = await asyncio.gather(
            *(offload.run("items", answers.wait) for _ in range(MAX_WAITING)), return_exceptions=True
        )
        assert {str(each) for each in given_up} == {"items: no answer within 0.01 s"}
        with pytest.raises(Transient, match="calls wait already"):
            await offload.run("items", str)
    finally:
        answers.set()
    offload.close()


@live
async def test_a_call_that_itself_ran_out_of_time_is_not_told_as_going_on() -> None:
    def ended() -> None:
        raise TimeoutError("socket timed out")

    offload = Offload(60.0)
    with pytest.raises(Transient, match="control: socket timed out") as caught:
        await offload.run("control", ended)
    assert not isinstance(caught.value, TooSlow)
    offload.close()
