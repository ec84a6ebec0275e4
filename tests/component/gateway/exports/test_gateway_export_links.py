"""One-time links of exports: who may create them, what is stored of them, and opening them once."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from gateway.sheets.exports.export import Export
from gateway.upstream import export_links
from kit.errors import Failure, Kind
from kit.values import timestamps
from protos.orders.v1 import export_links_pb2 as pb
from tests.component.gateway.exports.exporting import MONTH, getting, got, orders, refused
from tests.fixtures.gateway import Client, Gateway
from tests.fixtures.sandboxes import Auth

ACME = "6f9619ff-8b86-4011-b42d-00c04fc964ff"
UNTIL = datetime(2026, 12, 1, 8, tzinfo=UTC)
CREATE = """mutation($kind: ExportKind!, $format: ExportFormat, $range: DateRange, $zone: String,
    $organization: ID, $mark: Boolean) {
  createExportLink(kind: $kind, format: $format, range: $range, timeZone: $zone,
    organizationId: $organization, byteOrderMark: $mark) { success url expiresAt error code } }"""
NOVEMBER = {"from": "2026-11-01", "to": "2026-11-30"}


class Links:
    """Stores links as the orders service does."""

    def __init__(self, gateway: Gateway) -> None:
        self.stored: dict[bytes, bytes] = {}
        gateway.export_links.answers["CreateExportLink"] = self.create
        gateway.export_links.answers["TakeExportLink"] = self.take

    def create(self, request: pb.CreateExportLinkRequest) -> pb.CreateExportLinkResponse:
        self.stored[request.token_hash] = request.sealed
        return pb.CreateExportLinkResponse(expires_at=timestamps.to_proto(UNTIL))

    def take(self, request: pb.TakeExportLinkRequest) -> pb.TakeExportLinkResponse:
        sealed = self.stored.pop(request.token_hash, None)
        if sealed is None:
            raise Failure(Kind.NOT_FOUND, "EXPORT_LINK_NOT_FOUND", "Create another one")
        return pb.TakeExportLinkResponse(sealed=sealed)


@pytest.fixture
def links(gateway: Gateway) -> Links:
    return Links(gateway)


async def create(client: Client, **given: Any) -> Any:
    answer = await client.ask(CREATE, **{"kind": "ORDERS", "range": NOVEMBER, **given})
    return answer.data["createExportLink"]


async def path_of(client: Client, **given: Any) -> str:
    made = await create(client, **given)
    assert (made["success"], made["error"], made["code"]) == (True, None, None), made
    assert made["expiresAt"] == "2026-12-01T08:00:00.000000Z"
    path = str(made["url"]).removeprefix("http://localhost:4000")
    assert path.startswith("/exports/links/")
    return path


async def test_a_link_gives_the_file_once_and_with_the_session_of_its_creator(
    gateway: Gateway, links: Links, ann: Client, client: Client
) -> None:
    gateway.exports.answers["ExportOrders"] = orders(3)
    path = await path_of(ann, organization=ACME, zone="Asia/Kolkata", mark=True)
    async with getting(client, path) as answer:  # without any session
        assert answer.status == 200
        name = 'attachment; filename="orders-2026-11-01-2026-11-30.csv"'
        assert answer.headers["Content-Disposition"] == name
        assert answer.headers["Cache-Control"] == "no-store"
        body = await answer.read()
    assert body.startswith(b"\xef\xbb\xbfid,")
    assert body.count(b"order-") == 3
    (request,) = gateway.exports.requests
    assert (request.organization_id, request.time_zone) == (ACME, "Asia/Kolkata")
    assert gateway.exports.callers == gateway.export_links.callers[:1] != [""]
    status, error = await refused(client, path)
    assert (status, error["extensions"]["reason"]) == (404, "EXPORT_LINK_NOT_FOUND")
    assert len(gateway.exports.requests) == 1


async def test_a_range_of_empty_days_does_not_export_all(
    gateway: Gateway, links: Links, ann: Client
) -> None:
    for kind in ("ESIMS", "CUSTOMERS", "ORDERS"):
        made = await create(ann, kind=kind, range={"from": "", "to": ""})
        assert (made["success"], made["code"]) == (False, "INVALID_ARGUMENT")
        assert made["error"].startswith("range.from: must be a day such as")
    assert not links.stored


async def test_another_gateway_opens_it_too(
    gateway: Gateway, links: Links, ann: Client, client: Client
) -> None:
    gateway.exports.answers["ExportOrders"] = orders(1)
    path = await path_of(ann, organization=ACME, format="PARQUET")
    async with gateway.another(client) as other:
        assert (await got(other, path)).startswith(b"PAR1")


async def test_what_is_stored_reveals_neither_the_session_nor_the_link(
    gateway: Gateway, links: Links, ann: Client
) -> None:
    token = (await path_of(ann, organization=ACME)).rpartition("/")[2]
    ((found, sealed),) = links.stored.items()
    assert ann.token is not None
    for secret in (ann.token, token, *ann.token.split("."), ACME):
        assert secret.encode() not in sealed
        assert secret.encode() not in found
    assert export_links.opened(token, sealed).session == ann.token
    with pytest.raises(Failure, match="EXPORT_LINK_NOT_FOUND"):
        export_links.opened(export_links.new_token(), sealed)
    for damaged in (b"", sealed[:5], sealed[:-1], sealed[:-1] + bytes([sealed[-1] ^ 1])):
        with pytest.raises(Failure, match="EXPORT_LINK_NOT_FOUND"):
            export_links.opened(token, damaged)


async def test_a_role_that_was_lost_meanwhile_counts(
    gateway: Gateway, links: Links, ann: Client, client: Client
) -> None:
    path = await path_of(ann, organization=ACME)
    refusal = Failure(Kind.FORBIDDEN, "MEMBER_ROLE_INSUFFICIENT", "Not allowed")
    gateway.exports.answers["ExportOrders"] = refusal
    status, error = await refused(client, path)
    assert (status, error["extensions"]["reason"]) == (403, "MEMBER_ROLE_INSUFFICIENT")


@pytest.mark.parametrize(
    ("given", "code", "text"),
    [
        ({"kind": "CUSTOMERS", "organization": ACME}, "INVALID_ARGUMENT", "organizationId: "),
        ({"range": None, "organization": ACME}, "INVALID_ARGUMENT", "range.from: must be a day"),
        ({"zone": "Mars/Olympus", "organization": ACME}, "INVALID_ARGUMENT", "timeZone: must be"),
        ({"organization": "7"}, "INVALID_ARGUMENT", "organizationId: must be a UUID"),
        (
            {"range": {"from": "2026-12-01", "to": "2026-11-01"}, "organization": ACME},
            "INVALID_ARGUMENT",
            "range.to: must not be before",
        ),
    ],
)
async def test_links_that_could_not_be_opened_are_not_created(
    gateway: Gateway, links: Links, ann: Client, given: dict[str, Any], code: str, text: str
) -> None:
    made = await create(ann, **given)
    assert (made["success"], made["url"], made["code"]) == (False, None, code), made
    assert text in made["error"]
    assert not links.stored


async def test_the_orders_service_decides_who_creates_links(
    gateway: Gateway, links: Links, ann: Client, client: Client
) -> None:
    for kind in ("ORDERS", "ESIMS", "USAGE"):
        await path_of(ann, kind=kind, organization=ACME)
    for kind in ("ORDERS", "ESIMS", "SALES", "USAGE", "LEDGER", "CUSTOMERS"):
        await path_of(ann, kind=kind)
    asked = [request.organization_id for request in gateway.export_links.requests]
    assert asked == [ACME] * 3 + [""] * 6
    refusal = Failure(Kind.FORBIDDEN, "FORBIDDEN", "Not allowed: name your organization")
    gateway.export_links.answers["CreateExportLink"] = refusal
    made = await create(ann)
    assert (made["success"], made["code"], made["error"]) == (False, "FORBIDDEN", refusal.message)
    answer = await client.ask(CREATE, kind="ORDERS", range=NOVEMBER)
    assert answer.code == "UNAUTHENTICATED"


async def test_a_session_that_has_expired_opens_nothing(
    gateway: Gateway, links: Links, auth: Auth, client: Client
) -> None:
    gateway.exports.answers["ExportOrders"] = orders(1)
    session = await auth.sign_in("ann@example.com", expires_in=-3600)
    token = export_links.new_token()
    export = export_links.Linked(Export("orders"), session["access_token"])
    links.stored[export_links.token_hash(token)] = export_links.seal(token, export)
    status, error = await refused(client, f"/exports/links/{token}")
    assert (status, error["extensions"]["code"]) == (401, "UNAUTHENTICATED")
    assert not gateway.exports.requests


async def test_addresses_that_are_no_link(gateway: Gateway, links: Links, client: Client) -> None:
    for token in ("x", "x" * 5_000, "%00", "..%2Forders.csv"):
        async with client.http.get(f"{client.url}/exports/links/{token}") as answer:
            assert answer.status == 404
            assert "EXPORT_LINK_NOT_FOUND" in json.dumps(await answer.json())
    async with client.http.head(f"{client.url}/exports/links/x") as answer:
        assert answer.status == 405  # a program that only looks uses no link up


async def test_exports_need_no_link(gateway: Gateway, links: Links, ann: Client) -> None:
    gateway.exports.answers["ExportOrders"] = orders(1)
    assert await got(ann, f"/exports/orders.csv?{MONTH}&organizationId={ACME}")
    assert not links.stored
