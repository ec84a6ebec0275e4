"""Organizations over GraphQL, with all real services: joining, and what a removal ends with the old token."""

from typing import Any

import grpc
import pytest

from kit.rpc.errors import from_error
from protos.esims.v1 import esims_pb2, esims_pb2_grpc
from protos.orders.v1 import orders_pb2, orders_pb2_grpc, organizations_pb2
from services.orders.organizations.membership import MemberRole
from tests.fixtures.gateway import Client
from tests.fixtures.organizations import create_organization
from tests.fixtures.patience import PATIENCE
from tests.fixtures.platform import Platform
from tests.fixtures.postgres import Databases
from tests.fixtures.sockets import connected

CREATE = """mutation($input: CreateOrganizationInput!) { createOrganization(input: $input) {
    success code error organization { id name currency billing creditLimit status role } } }"""
INVITE = """mutation($id: ID!, $email: String!, $role: MemberRole!) {
    inviteMember(organizationId: $id, input: {email: $email, role: $role}) {
        success code token link invitation { id email role } } }"""
ACCEPT = """mutation($token: String!) { acceptInvitation(token: $token) {
    success code error organization { id role taxId } } }"""
REMOVE = """mutation($id: ID!, $user: ID!) { removeMember(organizationId: $id, userId: $user) {
    success code error propagation member { id } } }"""
MINE = "{ myOrganizations { id name role } }"
ORDER = "query($id: ID!) { orderDetails(id: $id) { id } }"
ESIM = "query($id: ID!) { esimDetails(id: $id) { id } }"
PURCHASE = """mutation($name: ID!, $organization: ID!) {
    purchaseESIM(planId: $name, input: {organizationId: $organization}) { success code } }"""
BUYS_BY_CARD: dict[str, Any] = {"currency": "USD", "billing": organizations_pb2.BILLING_CARD}
WATCH = "subscription($id: ID!) { orderUpdated(orderId: $id) { id status } }"


async def plan_of(client: Client, name: str) -> str:
    """Return the id of a plan."""
    plans = await client.ask(f'{{ dataPlans(filter: {{text: "{name}"}}) {{ id name }} }}')
    return next(str(plan["id"]) for plan in plans.data["dataPlans"] if plan["name"] == name)


async def test_a_company_joins_over_graphql(platform: Platform) -> None:
    admin = platform.client.signed_in(await platform.auth.token("admin@example.com", admin=True))
    wanted = {"name": "Acme", "currency": "EUR", "billing": "INVOICE", "creditLimit": "5000.5"}
    created = (await admin.ask(CREATE, input=wanted)).data["createOrganization"]
    acme = created["organization"]
    assert acme == {
        **wanted,
        "id": acme["id"],
        "status": "ACTIVE",
        "role": None,
    }
    invited = await admin.ask(INVITE, id=acme["id"], email="ann@example.com", role="OWNER")
    token = invited.data["inviteMember"]["token"]
    ann = await platform.customer("ann@example.com")
    joined = (await ann.ask(ACCEPT, token=token)).data["acceptInvitation"]
    assert joined["organization"] == {"id": acme["id"], "role": "OWNER", "taxId": None}
    again = (await ann.ask(ACCEPT, token=token)).data["acceptInvitation"]
    assert (again["success"], again["code"]) == (False, "INVITATION_USED")
    assert (await ann.ask(MINE)).data["myOrganizations"] == [
        {"id": acme["id"], "name": "Acme", "role": "OWNER"}
    ]
    user = str(await platform.auth.user_id("ann@example.com"))
    left = (await ann.ask(REMOVE, id=acme["id"], user=user)).data["removeMember"]
    assert (left["success"], left["code"]) == (False, "LAST_OWNER")
    refused = (await ann.ask(CREATE, input=wanted)).body["errors"][0]
    assert refused["extensions"]["code"] == "FORBIDDEN"
    wrong = await admin.ask(CREATE, input=wanted | {"creditLimit": "much", "currency": "EUR"})
    assert wrong.data["createOrganization"]["error"].startswith("creditLimit: ")


async def test_a_removed_member_is_refused_everywhere_at_once(platform: Platform) -> None:
    """As the removal is in effect everywhere when it is answered, no clock is needed."""
    async with (
        grpc.aio.insecure_channel(platform.orders_address) as orders,
        grpc.aio.insecure_channel(platform.esims_address) as esims,
    ):
        acme = await create_organization(platform.auth, orders, **BUYS_BY_CARD)
        buyer, manager = (
            platform.client.signed_in(member.token) for member in (acme.buyer, acme.manager)
        )
        order = await platform.buy(buyer, organizationId=acme.id)
        own = await platform.buy(buyer)
        (esim,) = order["esims"]
        for client in (buyer, manager):
            assert (await client.ask(ORDER, id=order["id"])).data["orderDetails"]
            assert (await client.ask(ESIM, id=esim["id"])).data["esimDetails"]
        removing = await manager.ask(REMOVE, id=acme.id, user=str(acme.buyer.user_id))
        assert removing.data["removeMember"] == {
            "success": True,
            "code": None,
            "error": None,
            "propagation": "DONE",
            "member": None,
        }
        calls: tuple[tuple[Any, Any, str], ...] = (
            (
                orders_pb2_grpc.OrdersServiceStub(orders).GetOrder,
                orders_pb2.GetOrderRequest(order_id=order["id"]),
                "ORDER_NOT_FOUND",
            ),
            (
                esims_pb2_grpc.ESIMsServiceStub(esims).GetESIM,
                esims_pb2.GetESIMRequest(esim_id=esim["id"]),
                "ESIM_NOT_FOUND",
            ),
        )
        for stub, request, reason in calls:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await stub(request, metadata=acme.buyer.metadata, timeout=PATIENCE)
            assert from_error(raised.value).reason == reason
        for query, id_ in ((ORDER, order["id"]), (ESIM, esim["id"])):
            answer = await buyer.ask(query, id=id_)
            assert answer.body["errors"][0]["extensions"]["code"] == "NOT_FOUND"
            assert (await manager.ask(query, id=id_)).body.get("errors") is None
        assert (await buyer.ask(MINE)).data["myOrganizations"] == []
        plan = order["dataPlan"]["name"]
        refused = await buyer.ask(PURCHASE, name=await plan_of(buyer, plan), organization=acme.id)
        assert refused.data["purchaseESIM"]["code"] == "ORGANIZATION_NOT_FOUND"
        # Their own orders stay theirs.
        assert (await buyer.ask(ORDER, id=own["id"])).data["orderDetails"]


async def test_a_removal_ends_the_members_subscriptions(
    platform: Platform, databases: Databases
) -> None:
    async with grpc.aio.insecure_channel(platform.orders_address) as orders:
        acme = await create_organization(
            platform.auth,
            orders,
            roles=(MemberRole.OWNER, MemberRole.BUYER),
            **BUYS_BY_CARD,
        )
        buyer = platform.client.signed_in(acme.buyer.token)
        order = await platform.buy(buyer, organizationId=acme.id)
        own = await platform.buy(buyer)
        async with connected(buyer) as socket, connected(buyer) as other:
            await socket.subscribe(WATCH, id=order["id"])
            await other.subscribe(WATCH, id=own["id"])
            for one, id_ in ((socket, order["id"]), (other, own["id"])):
                assert (await one.data())["orderUpdated"]["id"] == id_
            owner = platform.client.signed_in(acme.owner.token)
            await owner.ask(REMOVE, id=acme.id, user=str(acme.buyer.user_id))
            error = await socket.refused()
            assert error["extensions"]["code"] == "NOT_FOUND"
            # The stream of their own order goes on.
            await databases.admin.execute(
                "update orders.esim_orders set customer_reference = 'x' where id = $1::text::uuid",
                own["id"],
            )
            await databases.admin.execute(
                "update orders.esim_orders set status_reason = 'x' where id = $1::text::uuid",
                own["id"],
            )
            assert (await other.data())["orderUpdated"]["id"] == own["id"]
