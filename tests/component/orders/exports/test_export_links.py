"""One-time links of exports: opened once, for a minute, and only by services."""

import asyncio
from datetime import UTC, datetime, timedelta
from secrets import token_bytes
from typing import Any

import grpc
import pytest

from kit.values import timestamps
from protos.orders.v1 import export_links_pb2 as pb
from protos.orders.v1.export_links_pb2_grpc import ExportLinksServiceStub
from services.orders.export_links import store
from services.orders.organizations.membership import MemberRole
from tests.component.orders.shop import Metadata, Shop
from tests.fixtures.organizations import create_organization
from tests.fixtures.patience import PATIENCE
from tests.fixtures.rpc.refusals import reason_of, refused


@pytest.fixture(autouse=True)
def longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let links be valid as long as a slow machine may need."""
    assert store.VALID == 60
    monkeypatch.setattr(store, "VALID", PATIENCE)


async def create(links: Any, metadata: Metadata, sealed: bytes = b"secret") -> bytes:
    token_hash = token_bytes(32)
    request = pb.CreateExportLinkRequest(token_hash=token_hash, sealed=sealed)
    before = datetime.now(UTC)
    answer = await links.CreateExportLink(request, metadata=metadata)
    expires = timestamps.from_proto(answer.expires_at)
    valid = timedelta(seconds=store.VALID)
    assert before + valid <= expires <= datetime.now(UTC) + valid
    return token_hash


def take(links: Any, token_hash: bytes, metadata: Metadata) -> Any:
    return links.TakeExportLink(pb.TakeExportLinkRequest(token_hash=token_hash), metadata=metadata)


async def test_of_many_that_open_a_link_one_gets_it(shop: Shop) -> None:
    fay = await shop.session("fay@x.example", role="finance")
    async with shop.channel() as channel:
        links: Any = ExportLinksServiceStub(channel)
        token_hash = await create(links, fay)
        answers = await asyncio.gather(
            *(take(links, token_hash, shop.service_key) for _ in range(20)), return_exceptions=True
        )
        taken = [one for one in answers if not isinstance(one, BaseException)]
        assert [one.sealed for one in taken] == [b"secret"]
        reasons = {reason_of(one) for one in answers if isinstance(one, grpc.aio.AioRpcError)}
        assert reasons == {"EXPORT_LINK_NOT_FOUND"}
    assert await shop.databases.admin.fetchval("select count(*) from orders.export_links") == 0


async def test_a_link_whose_time_is_over_opens_nothing_and_is_deleted(shop: Shop) -> None:
    fay = await shop.session("fay@x.example", role="finance")
    admin = shop.databases.admin
    async with shop.channel() as channel:
        links: Any = ExportLinksServiceStub(channel)
        opened, left = await create(links, fay), await create(links, fay)
        await admin.execute("update orders.export_links set expires_at = now()")
        assert await refused(take(links, opened, shop.service_key)) == "EXPORT_LINK_NOT_FOUND"
        await create(links, fay)
    hashes = await admin.fetch("select token_hash from orders.export_links")
    assert len(hashes) == 1
    assert left not in [row["token_hash"] for row in hashes]


async def test_only_services_open_links(shop: Shop) -> None:
    fay = await shop.session("fay@x.example", role="finance")
    async with shop.channel() as channel:
        links: Any = ExportLinksServiceStub(channel)
        token_hash = await create(links, fay)
        assert await refused(take(links, token_hash, fay)) == "FORBIDDEN"
        assert await refused(take(links, token_hash, ())) == "UNAUTHENTICATED"
        assert (await take(links, token_hash, shop.service_key)).sealed == b"secret"


async def test_who_may_export_creates_links(shop: Shop) -> None:
    async with shop.channel() as channel:
        links: Any = ExportLinksServiceStub(channel)
        acme = await create_organization(shop.auth, channel, roles=tuple(MemberRole))

        def link(organization_id: str, metadata: Metadata) -> Any:
            request = pb.CreateExportLinkRequest(
                token_hash=token_bytes(32), sealed=b"x", organization_id=organization_id
            )
            return links.CreateExportLink(request, metadata=metadata)

        for role, member in acme.members.items():
            assert await refused(link("", member.metadata)) == "FORBIDDEN"
            if role in (MemberRole.OWNER, MemberRole.MANAGER, MemberRole.FINANCE):
                assert await link(acme.id, member.metadata)
            else:
                reason = await refused(link(acme.id, member.metadata))
                assert reason == "MEMBER_ROLE_INSUFFICIENT"
        stranger = await shop.session("ann@x.example")
        assert await refused(link(acme.id, stranger)) == "ORGANIZATION_NOT_FOUND"
        support = await shop.session("sue@x.example", role="support")
        assert await refused(link("", support)) == "FORBIDDEN"
        assert await link(acme.id, await shop.session("fay@x.example", role="finance"))
        assert await refused(link("7", stranger)) == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("token_hash", "sealed", "field"),
    [
        (b"", b"x", "token_hash"),
        (b"x" * 33, b"x", "token_hash"),
        (b"x" * 32, b"", "sealed"),
        (b"x" * 32, b"x" * 16_385, "sealed"),
    ],
)
async def test_malformed_links_are_refused(
    shop: Shop, token_hash: bytes, sealed: bytes, field: str
) -> None:
    fay = await shop.session("fay@x.example", role="finance")
    async with shop.channel() as channel:
        links: Any = ExportLinksServiceStub(channel)
        request = pb.CreateExportLinkRequest(token_hash=token_hash, sealed=sealed)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await links.CreateExportLink(request, metadata=fay)
        assert reason_of(raised.value) == "INVALID_ARGUMENT"
        assert str(raised.value.details()).startswith(f"{field}: ")


async def test_a_token_is_in_use_once_and_there_is_a_limit(shop: Shop) -> None:
    fay = await shop.session("fay@x.example", role="finance")
    async with shop.channel() as channel:
        links: Any = ExportLinksServiceStub(channel)
        token_hash = await create(links, fay)
        again = pb.CreateExportLinkRequest(token_hash=token_hash, sealed=b"another")
        call = links.CreateExportLink(again, metadata=fay)
        assert await refused(call) == "EXPORT_LINK_EXISTS"
        await shop.databases.admin.execute(
            "insert into orders.export_links (token_hash, sealed, expires_at)"
            " select sha256(n::text::bytea), 'x', now() + interval '1 hour'"
            " from generate_series(1, $1) n",
            store.MAX_OPEN,
        )
        another = pb.CreateExportLinkRequest(token_hash=token_bytes(32), sealed=b"x")
        call = links.CreateExportLink(another, metadata=fay)
        assert await refused(call) == "TOO_MANY_EXPORT_LINKS"
        assert (await take(links, token_hash, shop.service_key)).sealed == b"secret"
