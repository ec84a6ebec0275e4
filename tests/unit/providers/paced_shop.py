"""The pacing under test, with requests that a test starts and answers one by one."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from kit.auth.caller import act_for
from providers.esim_go.holds import HoldReport
from providers.esim_go.metrics import Metrics
from providers.esim_go.pacing import Pacing
from providers.esim_go.queue import Priority
from tests.fixtures.stepped_clock import SteppedClock, settle

Headers = Mapping[str, str]


class Held(Metrics):
    """Records the gauge of held calls, and passes it on."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: dict[str, float] = {}

    def held(self, endpoint: str, seconds: float) -> None:
        super().held(endpoint, seconds)
        self.seconds[endpoint] = seconds


class Request:
    """One request that waits for its slot and then for the test to answer it."""

    def __init__(self) -> None:
        self.has_gone = False
        self.answer: asyncio.Future[tuple[int, Headers]] = asyncio.Future()
        self.task: asyncio.Task[None]

    def sent(self) -> bool:
        return self.has_gone


class Shop:
    """The pacing under test, its clock, the order of sent requests, and the reported tokens."""

    def __init__(self, clock: SteppedClock) -> None:
        self.clock = clock
        self.tokens: list[int] = []
        self.metrics = Held()
        self.report = HoldReport(clock, self.metrics)
        self.pacing = Pacing(clock, self.tokens.append, report=self.report)
        self.requests: list[Request] = []
        self.order: list[Request] = []

    async def ask(
        self,
        endpoint: str = "GET /a",
        path: str = "/a",
        priority: Priority = Priority.READ,
        timeout: float = 60.0,
        account: str = "",
    ) -> Request:
        request = Request()
        self.requests.append(request)

        async def run() -> None:
            act_for(account)
            deadline = self.clock.now() + timeout
            async with self.pacing.permit(endpoint, path, priority, deadline) as turn:
                request.has_gone = True
                self.order.append(request)
                turn.answered(*await request.answer)

        request.task = asyncio.create_task(run())
        await settle()
        return request

    async def answer(
        self, request: Request, headers: Headers | None = None, status: int = 200
    ) -> None:
        request.answer.set_result((status, headers or {}))
        await settle()

    async def learn(self, remaining: int, resets_in: float = 1.0) -> None:
        """Send one request whose response reveals the window."""
        await self.answer(await self.ask(), self.window(remaining, resets_in))

    def window(self, remaining: int, resets_in: float = 1.0, cost: int = 1) -> Headers:
        reset = (self.clock.wall() + timedelta(seconds=resets_in)).isoformat()
        return {
            "X-Ratelimit-Limit": "10",
            "X-Ratelimit-Remaining": str(remaining),
            "X-Ratelimit-Reset": reset.replace("+00:00", "Z"),
            "X-Ratelimit-Cost": str(cost),
        }

    async def close(self) -> None:
        for request in self.requests:
            request.task.cancel()
        await asyncio.gather(*(r.task for r in self.requests), return_exceptions=True)
