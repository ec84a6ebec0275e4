"""Travelers of an organization over GraphQL, with all real services."""

from tests.component.platform.traveling import ASSIGN, LINKS, LISTED, SHARE, UNASSIGN, company
from tests.fixtures.platform import Platform

TRAVELERS = (
    "query($id: ID) { travelers(organizationId: $id, first: 1) { nodes { name } nextCursor } }"
)
MINE = "{ myESIMs { id organizationId traveler { name } } }"


async def test_a_company_gives_its_esims_to_travelers(platform: Platform) -> None:
    async with company(platform) as acme:
        esim, other = await acme.buy(), await acme.buy("owner")
        owner, buyer, traveler = (acme.client(role) for role in ("owner", "buyer", "traveler"))
        account = str(acme.organization.traveler.user_id)
        tara = {"name": "Tara", "email": "tara@example.com", "userId": account}
        given = (await buyer.ask(ASSIGN, esim=esim["id"], traveler=tara)).data["assignESIM"]
        assert given["success"], given
        named = given["esim"]["traveler"]
        assert named == tara | {"id": named["id"]}
        assert (await traveler.ask(MINE)).data["myESIMs"] == [
            {
                "id": esim["id"],
                "organizationId": acme.organization.id,
                "traveler": {"name": "Tara"},
            }
        ]
        assert (await buyer.ask(MINE)).data["myESIMs"] == []
        for client, expected in (
            (owner, [other["id"], esim["id"]]),
            (buyer, [esim["id"]]),
            (traveler, [esim["id"]]),
            (acme.client("finance"), []),
        ):
            page = (await client.ask(LISTED, id=acme.organization.id)).data["organizationESIMs"]
            assert [edge["node"]["id"] for edge in page["edges"]] == expected
            assert page["totalCount"] == len(expected)
        first = (await owner.ask(LISTED, id=acme.organization.id, first=1)).data[
            "organizationESIMs"
        ]
        after = first["pageInfo"]["endCursor"]
        assert first["pageInfo"]["hasNextPage"]
        rest = (await owner.ask(LISTED, id=acme.organization.id, first=1, after=after)).data
        (edge,) = rest["organizationESIMs"]["edges"]
        assert edge["node"] == {
            "id": esim["id"],
            "organizationId": acme.organization.id,
            "groupId": None,
            "traveler": {"name": "Tara"},
            "usage": {"totalRemaining": 1000.0},
        }
        await owner.ask(ASSIGN, esim=other["id"], traveler={"name": "Zoë"})
        page = (await owner.ask(TRAVELERS, id=acme.organization.id)).data["travelers"]
        assert page["nodes"] == [{"name": "Zoë"}]
        assert page["nextCursor"]
        taken = (await owner.ask(UNASSIGN, esim=esim["id"])).data["unassignESIM"]
        assert taken == {"success": True, "code": None, "esim": {"traveler": None}}
        assert (await traveler.ask(MINE)).data["myESIMs"] == []


async def test_refusals_name_the_argument(platform: Platform) -> None:
    async with company(platform) as acme:
        esim = await acme.buy()
        owner, stranger = acme.client("owner"), await platform.customer("bob@example.com")
        for traveler, error in (
            ({}, "traveler.name: is required if there is no e-mail address"),
            ({"email": "x"}, "traveler.email: must be an e-mail address, such as name@example.com"),
            ({"name": "K", "userId": "k"}, "traveler.userId: must be a UUID in its canonical form"),
        ):
            refused = (await owner.ask(ASSIGN, esim=esim["id"], traveler=traveler)).data[
                "assignESIM"
            ]
            assert (refused["success"], refused["error"]) == (False, error)
        past = "2020-01-01T00:00:00Z"
        refused = await owner.ask(SHARE, esim=esim["id"], pin=False, expires=past)
        assert refused.data["createShareLink"]["error"] == (
            "expiresAt: must be in the future, at most a year from now"
        )
        bad = await owner.ask(LISTED, id=acme.organization.id, group="x")
        assert bad.body["errors"][0]["message"] == "groupId: must be a UUID in its canonical form"
        for document, variables in (
            (LISTED, {"id": acme.organization.id}),
            (TRAVELERS, {"id": acme.organization.id}),
            (LINKS, {"esim": esim["id"]}),
        ):
            answer = await stranger.ask(document, **variables)
            assert answer.body["errors"][0]["extensions"]["code"] == "NOT_FOUND"
        shared = await stranger.ask(SHARE, esim=esim["id"], pin=False)
        assert shared.data["createShareLink"]["code"] == "ESIM_NOT_FOUND"
        finance = await acme.client("finance").ask(TRAVELERS, id=acme.organization.id)
        assert finance.body["errors"][0]["extensions"]["reason"] == "MEMBER_ROLE_INSUFFICIENT"
