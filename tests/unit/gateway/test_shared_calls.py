"""Equal concurrent reads share one call, which carries nothing of a single caller."""

import asyncio
from typing import Any

import pytest

from gateway.upstream.shared_calls import SharedCalls
from kit.errors import Failure, Kind
from protos.catalogue.v1 import catalogue_pb2

ASKED = catalogue_pb2.ListRegionsRequest
ANSWER = catalogue_pb2.ListRegionsResponse()


class Service:
    """Answers with the configured result when the test allows it."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.may = asyncio.Event()
        self.answers: list[Any] = []

    async def ask(self, request: Any, *, timeout: float, metadata: Any) -> Any:
        self.calls.append((request, metadata))
        await self.may.wait()
        answer = self.answers.pop(0) if self.answers else ANSWER
        if isinstance(answer, Failure):
            raise answer
        return answer


@pytest.fixture
def service() -> Service:
    return Service()


async def begun(service: Service, *calls: Any) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.ensure_future(call) for call in calls]
    async with asyncio.timeout(10):
        while not service.calls:
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


async def test_equal_concurrent_reads_are_one_call_without_a_token(service: Service) -> None:
    reads = SharedCalls()
    tasks = await begun(service, *(reads.call(service.ask, ASKED(), timeout=5) for _ in range(3)))
    service.may.set()
    assert [answer is ANSWER for answer in await asyncio.gather(*tasks)] == [True] * 3
    assert service.calls == [(ASKED(), ())]


async def test_a_response_is_not_cached(service: Service) -> None:
    reads = SharedCalls()
    service.may.set()
    await reads.call(service.ask, ASKED(), timeout=5)
    await reads.call(service.ask, ASKED(), timeout=5)
    assert len(service.calls) == 2


async def test_a_read_started_before_a_change_is_not_shared_after_it(service: Service) -> None:
    reads = SharedCalls()
    (before,) = await begun(service, reads.call(service.ask, ASKED(), timeout=5))
    reads.forget()
    after, beside = (
        asyncio.ensure_future(reads.call(service.ask, ASKED(), timeout=5)) for _ in range(2)
    )
    service.may.set()
    await asyncio.gather(before, after, beside)
    assert len(service.calls) == 2


async def test_different_requests_are_different_calls(service: Service) -> None:
    reads = SharedCalls()
    service.may.set()
    await asyncio.gather(
        reads.call(service.ask, catalogue_pb2.GetPlanRequest(id="a"), timeout=5),
        reads.call(service.ask, catalogue_pb2.GetPlanRequest(id="b"), timeout=5),
    )
    assert len(service.calls) == 2


async def test_a_cancelled_caller_does_not_affect_the_others(service: Service) -> None:
    reads = SharedCalls()
    first, second = await begun(
        service, *(reads.call(service.ask, ASKED(), timeout=5) for _ in range(2))
    )
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    service.may.set()
    assert await second is ANSWER
    assert len(service.calls) == 1


async def test_a_failure_reaches_all_callers(service: Service) -> None:
    reads = SharedCalls()
    service.answers = [Failure(Kind.UNAVAILABLE, "AWAY", "Not now")]
    tasks = await begun(service, *(reads.call(service.ask, ASKED(), timeout=5) for _ in range(2)))
    service.may.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(failure, Failure) and failure.reason == "AWAY" for failure in results)


async def test_the_deadline_of_the_first_caller_does_not_apply_to_others(service: Service) -> None:
    reads = SharedCalls()
    service.answers = [Failure(Kind.DEADLINE, "DEADLINE", "Too late")]
    first, second = await begun(
        service, *(reads.call(service.ask, ASKED(), timeout=5) for _ in range(2))
    )
    service.may.set()
    with pytest.raises(Failure, match="Too late"):
        await first
    assert await second is ANSWER
