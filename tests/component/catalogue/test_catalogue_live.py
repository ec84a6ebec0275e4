"""Watchers of the catalogue are notified when cached answers become stale."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from protos.catalogue.v1 import catalogue_pb2 as pb
from tests.component.catalogue.conftest import FOUR, OpenShop, Shop
from tests.fixtures.patience import PATIENCE

Change = Callable[[Shop], Awaitable[Any]]


async def choose(shop: Shop) -> None:
    ids = [(await shop.plan("esim_b")).id]
    request = pb.SetFeaturedPlansRequest(plan_ids=ids)
    await shop.call("SetFeaturedPlans", request, shop.auth.service_role_key)


CHANGES: dict[str, Change] = {
    "hidden": lambda shop: shop.hide("esim_a"),
    "featured": choose,
    "synced again": lambda shop: shop.sync(),
}


async def next_of(revisions: AsyncIterator[Any]) -> int:
    async with asyncio.timeout(PATIENCE):
        return int((await anext(revisions)).revision)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_the_revision_is_sent_immediately_and_after_a_change(
    open_shop: OpenShop, change: Change
) -> None:
    async with open_shop(FOUR) as shop:
        revisions = aiter(shop.stub.WatchRevision(pb.WatchRevisionRequest()))
        before = await next_of(revisions)
        await change(shop)
        while await next_of(revisions) <= before:
            pass  # a late notice of the first sync
