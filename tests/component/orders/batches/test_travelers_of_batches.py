"""Travelers with an account must be members, as they see the eSIM with its activation code."""

from typing import Any
from uuid import UUID

from protos.orders.v1 import batches_pb2 as pb
from protos.orders.v1 import organizations_pb2
from services.orders.organizations.membership import MemberRole
from tests.component.orders.batches.buying_many import Bulk, bulk, refusal
from tests.component.orders.batches.companies import company, pay_in
from tests.component.orders.shop import Shop
from tests.fixtures.organizations import add_member, create_organization

DELIVERED, FAILED = pb.BATCH_ITEM_STATUS_DELIVERED, pb.BATCH_ITEM_STATUS_FAILED
NO_MEMBER = [("traveler.user_id", "TRAVELER_NOT_MEMBER")]


def row(many: Bulk, user_id: Any) -> pb.BatchItemInput:
    return many.item(traveler=pb.BatchTraveler(name=f"T {user_id}", user_id=str(user_id)))


async def faults(many: Bulk, rows: list[pb.BatchItemInput]) -> list[list[tuple[str, str]]]:
    found = (await many.validate(rows)).rows
    return [[(fault.field, fault.code) for fault in one.errors] for one in found]


async def account(shop: Shop, email: str) -> UUID:
    """Return the id of an account that is a member of no organization."""
    return UUID((await shop.auth.sign_in(email))["user"]["id"])


async def test_only_members_travel_with_the_esims_of_an_organization(shop: Shop) -> None:
    async with company(shop) as many:
        assert many.organization is not None
        acme = many.organization
        other = await create_organization(
            shop.auth, many.channel, "Other", currency="USD", roles=[MemberRole.OWNER]
        )
        leaver = await add_member(shop.auth, acme, MemberRole.BUYER, "leaver@acme.example.com")
        await acme.service.RemoveMember(
            organizations_pb2.RemoveMemberRequest(
                organization_id=acme.id, user_id=str(leaver.user_id)
            ),
            metadata=acme.owner.metadata,
        )
        members = [member.user_id for member in acme.members.values()]
        strangers = [await account(shop, "eve@example.com"), other.owner.user_id, leaver.user_id]
        rows = [row(many, user_id) for user_id in [*members, *strangers]]
        nameless = many.item(traveler=pb.BatchTraveler(name="Guest"))
        expected: list[Any] = [[]] * len(members) + [NO_MEMBER] * len(strangers) + [[]]
        assert await faults(many, [*rows, nameless]) == expected


async def test_a_row_is_bought_once_its_traveler_has_joined(shop: Shop) -> None:
    async with company(shop) as many:
        assert many.organization is not None
        await pay_in(many, 10_000)
        stranger = await account(shop, "eve@example.com")
        rows = [row(many, many.organization.traveler.user_id), row(many, stranger)]
        reject = pb.BATCH_ERROR_POLICY_REJECT_ALL
        assert await refusal(many.create(rows, "all", error_policy=reject)) == "BATCH_INVALID"
        batch = await many.finished(await many.create(rows))
        items = await many.items(batch)
        assert [item.status for item in items] == [DELIVERED, FAILED]
        assert items[1].code == "TRAVELER_NOT_MEMBER"
        assert "invite the person first" in items[1].error
        assert await refusal(many.retry(batch)) == "BATCH_INVALID"
        await add_member(shop.auth, many.organization, MemberRole.TRAVELER, "eve@example.com")
        await many.retry(batch)
        items = await many.items(await many.finished(batch))
        assert [item.status for item in items] == [DELIVERED, DELIVERED]
        assert items[1].traveler.user_id == str(stranger)


async def test_accounts_do_not_travel_with_the_esims_of_a_customer(shop: Shop) -> None:
    async with bulk(shop) as many:
        own = await account(shop, "ann@example.com")
        refused = [("traveler.user_id", "INVALID")]
        rows = [row(many, own), row(many, await account(shop, "eve@example.com")), many.item()]
        assert await faults(many, rows) == [refused, refused, []]
        assert await refusal(many.create(rows[:2])) == "BATCH_INVALID"
        assert shop.charges == 0
