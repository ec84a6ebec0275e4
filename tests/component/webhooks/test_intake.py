"""Callbacks that arrive together share a transaction, and each gets its own answer."""

import asyncio

import pytest

from kit.errors import Failure
from tests.fixtures.patience import until
from tests.fixtures.postgres import Databases
from webhooks import intake as module
from webhooks.intake import BATCH, Intake
from webhooks.store import Callback
from webhooks.understand import understand


def callback(number: int, event_type: str = "Topup") -> Callback:
    body = b'{"alertType":"%s","bundle":{"oldAmount":1,"newAmount":%d}}' % (
        event_type.encode(),
        number,
    )
    return Callback(body, {"user-agent": "test"}, True, understand(body))


async def test_concurrent_callbacks_are_each_stored_once_with_a_delivery(
    databases: Databases,
) -> None:
    async with databases.open("webhooks") as database:
        intake = Intake(database, window=600)
        answers = await asyncio.gather(*(intake.store(callback(n)) for n in range(2 * BATCH + 3)))
        assert all(new for _, new in answers)
        ids = await databases.admin.fetch(
            "select id from webhooks.inbox join webhooks.deliveries on event_id = id order by sequence"
        )
        assert [row["id"] for row in ids] == [stored for stored, _ in answers]
        # All arrived before the first transaction began; each transaction takes its maximum.
        transactions = await databases.admin.fetchval(
            "select count(distinct received_at) from webhooks.inbox"
        )
        assert transactions == 3


async def test_equal_bodies_in_one_batch_are_one_event(databases: Databases) -> None:
    async with databases.open("webhooks") as database:
        intake = Intake(database, window=600)
        answers = await asyncio.gather(*(intake.store(callback(n % 3)) for n in range(30)))
        assert sum(new for _, new in answers) == 3
        assert len({stored for stored, _ in answers}) == 3
        again, new = await intake.store(callback(0))
        assert (again, new) == (answers[0][0], False)
        counts = await databases.admin.fetch(
            "select times_received from webhooks.inbox order by times_received"
        )
        assert [row["times_received"] for row in counts] == [10, 10, 11]


async def test_two_replicas_that_receive_the_same_bodies_store_each_once(
    databases: Databases,
) -> None:
    async with databases.open("webhooks") as one, databases.open("webhooks") as other:
        intakes = [Intake(database, window=600) for database in (one, other)]
        numbers = [*range(40), *reversed(range(40))]
        answers = await asyncio.gather(
            *(intakes[n % 2].store(callback(number)) for n, number in enumerate(numbers)),
            *(intakes[(n + 1) % 2].store(callback(number)) for n, number in enumerate(numbers)),
        )
        assert sum(new for _, new in answers) == 40
        assert (
            await databases.admin.fetchval("select sum(times_received) from webhooks.inbox") == 160
        )


async def test_a_callback_that_the_database_refuses_does_not_fail_its_batch(
    databases: Databases,
) -> None:
    async with databases.open("webhooks") as database:
        intake = Intake(database, window=600)
        bad = Callback(b"{}", {"user-agent": "\x00"}, True, understand(b"{}"))
        answers = await asyncio.gather(
            intake.store(callback(0)),
            intake.store(callback(1)),
            intake.store(bad),
            intake.store(callback(2)),
            return_exceptions=True,
        )
        assert [getattr(answer, "reason", "stored") for answer in answers] == [
            "stored",
            "stored",
            "NOT_STORED",
            "stored",
        ]
        assert await databases.admin.fetchval("select count(*) from webhooks.inbox") == 3


async def test_a_sender_does_not_wait_for_a_database_that_hangs(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with databases.open("webhooks") as database:
        intake, admin = Intake(database, window=600), databases.admin
        async with admin.transaction():
            await admin.execute("lock table webhooks.inbox")
            monkeypatch.setattr(module, "ANSWER_WITHIN", 0.05)
            monkeypatch.setattr(module, "MAX_WAITING", 2)
            for number in range(3):  # the first is being stored, two wait
                with pytest.raises(TimeoutError):
                    await intake.store(callback(number))
            with pytest.raises(Failure) as refused:
                await intake.store(callback(3))
            assert refused.value.reason == "TOO_MANY_CALLBACKS"
        monkeypatch.undo()
        count = "select count(*) from webhooks.inbox"

        async def stored() -> bool:
            return bool(await admin.fetchval(count) == 3)

        await until(stored)
        # The repeat of a callback that was stored after its answer is the same event.
        _, new = await intake.store(callback(0))
        assert not new
