"""Expensive requests: each is refused for its reason, and would do its work without the bound."""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from bench.abuse import work
from gateway.defence_settings import DefenceSettings
from gateway.documents.work_settings import UNLIMITED, WorkSettings
from protos.catalogue.v1 import catalogue_pb2
from tests.fixtures.gateway import Gateway
from tests.fixtures.patience import PATIENCE

# Seconds; one request of each connection is sent in any case.
SHORT = 0.01
Attack = Callable[[str, float], Awaitable[Counter[str]]]
TOO_MUCH = "RATE_LIMITED TOO_MUCH_WORK"


async def run(gateway: Gateway, attack: Attack, defence: Any) -> set[str]:
    gateway.catalogue.answers["ListPlans"] = catalogue_pb2.ListPlansResponse()
    async with gateway.another(defence=defence, max_body=262_144) as client:
        answers = await attack(client.url.removeprefix("http://"), SHORT)
    assert sum(answers.values()) >= work.CONNECTIONS
    return set(answers)


@pytest.mark.usefixtures("no_refill")
@pytest.mark.parametrize(
    ("attack", "reasons"),
    [
        (work.long_documents, {"TOO_COMPLEX CHARACTERS", TOO_MUCH}),
        (work.lines_and_errors, {"TOO_COMPLEX VALUES", TOO_MUCH}),
        (work.equal_names, {"TOO_COMPLEX COMPARISONS", TOO_MUCH}),
        (work.many_values, {"TOO_COMPLEX VALUES", TOO_MUCH}),
        (work.faulty_entities, {"BAD_USER_INPUT INVALID_ARGUMENT", TOO_MUCH}),
        (work.unseen_documents, {"BAD_USER_INPUT INVALID_ARGUMENT", TOO_MUCH}),
        (work.whole_catalogues, {"answered", TOO_MUCH}),
    ],
)
async def test_an_attack_is_refused_by_its_limit(
    gateway: Gateway, attack: Attack, reasons: set[str]
) -> None:
    # One request uses up the budget of several seconds.
    defence = DefenceSettings(work=WorkSettings(address_rate=50))
    assert await run(gateway, attack, defence) == reasons


async def test_aliases_of_one_field_cost_too_much(gateway: Gateway) -> None:
    defence = DefenceSettings(work=WorkSettings(address_rate=10**9))
    assert await run(gateway, work.aliased_values, defence) == {"TOO_COMPLEX COST"}


@pytest.mark.parametrize(
    ("attack", "off"),
    [
        (work.unseen_documents, {}),
        (work.whole_catalogues, {}),
        (work.equal_names, {"comparisons": 10**9}),
    ],
)
async def test_an_attack_is_executed_without_its_limit(
    gateway: Gateway, attack: Attack, off: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The work of all connections would take a busy machine longer than it may.
    monkeypatch.setattr(work, "CONNECTIONS", 2)
    monkeypatch.setattr(work, "REQUEST_TIMEOUT", PATIENCE)
    gateway.catalogue.answers["GetPlan"] = catalogue_pb2.GetPlanResponse()
    defence = DefenceSettings(
        user_rate=0,
        address_rate=0,
        work=replace(UNLIMITED, **off),
        operation_seconds=PATIENCE,
    )
    answers = await run(gateway, attack, defence)
    assert answers
    assert answers <= {"answered", "BAD_USER_INPUT INVALID_ARGUMENT"}
