"""Share links: what they show, to whom, and what ends them."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from kit.errors import Failure, Kind
from kit.values import timestamps
from protos.esims.v1 import esims_pb2 as pb
from protos.esims.v1 import travelers_pb2 as tpb
from tests.component.esims.parts import SteppedClock
from tests.component.esims.running import OpenService, Service, buy, registration
from tests.component.esims.travelers.company import ROLES, Company, found
from tests.component.esims.travelers.links import create, links, opened


async def refusal(service: Service, token: str, pin: str = "") -> Failure:
    with pytest.raises(Failure) as caught:
        await opened(service, token, pin)
    return caught.value


async def test_a_link_shows_the_esim_and_nothing_of_its_buyer(
    service: Service, company: Company
) -> None:
    esim = await company.deliver(customer_ref="Rome trip")
    await company.assign(esim, name="Zoë", email="zoe@example.com")
    made = await create(company, esim)
    assert made.pin == ""
    assert len(made.token) == 22
    shown = await opened(service, made.token)
    assert (shown.traveler_name, shown.plan_id, shown.status) == ("Zoë", esim.plan_id, esim.status)
    assert (shown.matching_id, shown.smdp_address) == (esim.matching_id, esim.smdp_address)
    assert [bundle.name for bundle in shown.bundles] == [esim.bundle_name]
    assert shown.usage.total_remaining_mb == 1000
    text = shown.SerializeToString()
    hidden = (esim.id, esim.iccid, esim.order_id, esim.customer_id, esim.organization_id)
    for secret in (*hidden, "Rome trip", "zoe@example.com", made.token):
        assert secret.encode() not in text, secret
    (listed,) = await links(company, esim)
    assert listed.HasField("opened_at")


async def test_neither_the_token_nor_the_pin_is_stored(service: Service, company: Company) -> None:
    esim = await company.deliver()
    made = await create(company, esim, with_pin=True)
    await opened(service, made.token, made.pin)
    row = await service.databases.admin.fetchval(
        "select l::text from esims.share_links l where id = $1", made.link.id
    )
    assert made.token not in row
    assert made.pin not in row.replace(made.link.id, "").replace(esim.id, "")
    assert made.token.encode().hex() not in row


async def test_five_wrong_pins_lock_the_link_for_an_hour(
    open_service: OpenService,
) -> None:
    clock = SteppedClock()
    async with open_service(clock=clock) as service:
        company = await found(service, "acme")
        made = await create(company, await company.deliver(), with_pin=True)
        assert len(made.pin) == 6
        assert made.pin.isdigit()
        wrong = f"{(int(made.pin) + 1) % 10**6:06d}"
        assert (await refusal(service, made.token)).reason == "SHARE_LINK_PIN_REQUIRED"
        for left in (4, 3, 2, 1):
            failure = await refusal(service, made.token, wrong)
            assert (failure.kind, failure.reason) == (Kind.FORBIDDEN, "SHARE_LINK_PIN_WRONG")
            assert failure.details["tries_left"] == str(left)
        # A right one in between begins the count again.
        assert (await opened(service, made.token, f" {made.pin[:3]} {made.pin[3:]}")).matching_id
        for _ in range(4):
            await refusal(service, made.token, wrong)
        fifth = await refusal(service, made.token, wrong)
        assert (fifth.kind, fifth.reason) == (Kind.EXHAUSTED, "SHARE_LINK_LOCKED")
        locked = await refusal(service, made.token, made.pin)
        assert locked.reason == "SHARE_LINK_LOCKED"
        assert 3500 < (locked.retry_after or 0) <= 3600
        clock.ahead = timedelta(minutes=61)
        assert (await opened(service, made.token, made.pin)).matching_id


async def test_guesses_at_once_are_all_counted(service: Service, company: Company) -> None:
    made = await create(company, await company.deliver(), with_pin=True)
    pins = [f"{number:06d}" for number in range(20) if f"{number:06d}" != made.pin]
    failures = await asyncio.gather(
        *(opened(service, made.token, pin) for pin in pins), return_exceptions=True
    )
    reasons = [f.reason for f in failures if isinstance(f, Failure)]
    assert len(reasons) == len(pins)
    assert reasons.count("SHARE_LINK_PIN_WRONG") == 4
    assert reasons.count("SHARE_LINK_LOCKED") == len(pins) - 4


@pytest.mark.parametrize("token", ["", "x", "x" * 22, "x" * 10_000, "ключ", "../../etc/passwd"])
async def test_an_unknown_token_is_not_found(service: Service, token: str) -> None:
    failure = await refusal(service, token)
    assert (failure.kind, failure.reason) == (Kind.NOT_FOUND, "SHARE_LINK_NOT_FOUND")


async def test_a_link_ends_when_it_expires_or_is_revoked(open_service: OpenService) -> None:
    clock = SteppedClock()
    async with open_service(clock=clock) as service:
        company = await found(service, "acme")
        esim = await company.deliver()
        ends = timestamps.to_proto(datetime.now(UTC) + timedelta(days=2))
        short, long = await create(company, esim, expires_at=ends), await create(company, esim)
        await opened(service, short.token)
        clock.ahead = timedelta(days=3)
        assert (await refusal(service, short.token)).reason == "SHARE_LINK_EXPIRED"
        await opened(service, long.token)
        revoke = tpb.RevokeShareLinkRequest(share_link_id=long.link.id)
        for _ in range(2):
            answer = await service.ask(
                service.travelers.RevokeShareLink, revoke, company.members["MANAGER"].token
            )
            assert answer.link.status == tpb.SHARE_LINK_STATUS_REVOKED
        assert (await refusal(service, long.token)).reason == "SHARE_LINK_REVOKED"
        statuses = [link.status for link in await links(company, esim)]
        assert statuses == [tpb.SHARE_LINK_STATUS_REVOKED, tpb.SHARE_LINK_STATUS_EXPIRED]
        for link in (short, long):
            show = tpb.ShowShareLinkCodeRequest(share_link_id=link.link.id)
            with pytest.raises(Failure) as caught:
                await service.ask(
                    service.travelers.ShowShareLinkCode, show, company.members["OWNER"].token
                )
            assert caught.value.reason == "SHARE_LINK_ENDED"


async def test_the_code_is_hidden_after_the_install_unless_shown_again(
    open_service: OpenService,
) -> None:
    clock = SteppedClock()
    async with open_service(clock=clock) as service:
        company = await found(service, "acme")
        esim = await company.deliver()
        made = await create(company, esim)
        await service.device(esim, "install")
        clock.ahead += timedelta(minutes=6)  # older than 300 s: refreshed from the provider
        shown = await opened(service, made.token)
        assert (shown.code_hidden, shown.matching_id, shown.smdp_address) == (True, "", "")
        assert shown.usage.total_remaining_mb == 1000
        show = tpb.ShowShareLinkCodeRequest(share_link_id=made.link.id)
        await service.ask(service.travelers.ShowShareLinkCode, show, company.members["OWNER"].token)
        shown = await opened(service, made.token)
        assert (shown.code_hidden, shown.matching_id) == (False, esim.matching_id)
        clock.ahead += timedelta(hours=24)
        assert (await opened(service, made.token)).code_hidden


async def test_an_ended_esim_has_no_code_and_gets_no_link(
    service: Service, company: Company
) -> None:
    order = await buy(service.provider)
    (esim,) = await service.register(order, organization_id=str(company.id))
    made = await create(company, esim)
    cancel = registration(order, service.customer).order_id
    await service.ask(
        service.stub.CancelOrderBundles,
        pb.CancelOrderBundlesRequest(order_id=cancel),
        service.auth.service_role_key,
    )
    shown = await opened(service, made.token)
    assert (shown.status, shown.matching_id) == (pb.ESIM_STATUS_CANCELLED, "")
    with pytest.raises(Failure) as caught:
        await create(company, esim)
    assert caught.value.reason == "ESIM_ENDED"


async def test_ten_links_work_at_once(service: Service, company: Company) -> None:
    esim = await company.deliver()
    outcomes = await asyncio.gather(
        *(create(company, esim) for _ in range(12)), return_exceptions=True
    )
    refused = [one for one in outcomes if isinstance(one, Failure)]
    assert {one.reason for one in refused} == {"TOO_MANY_SHARE_LINKS"}
    assert len(refused) == 2


@pytest.mark.parametrize("role", ROLES)
async def test_links_are_managed_by_who_may_change_the_esim(
    service: Service, company: Company, other: Company, role: str
) -> None:
    bought, owners = await company.deliver("BUYER"), await company.deliver("OWNER")
    traveler = company.members["TRAVELER"]
    await company.assign(owners, name="Tara", user_id=str(traveler.id))
    may = {"OWNER": (bought, owners), "MANAGER": (bought, owners), "BUYER": (bought,)}.get(role, ())
    for esim in (bought, owners):
        link = await create(company, esim)
        refused = (
            "TRAVELER_MAY_ONLY_READ" if role == "TRAVELER" and esim is owners else "ESIM_NOT_FOUND"
        )
        token = company.members[role].token
        revoke = tpb.RevokeShareLinkRequest(share_link_id=link.link.id)
        show = tpb.ShowShareLinkCodeRequest(share_link_id=link.link.id)
        if esim in may:
            assert [one.id for one in await links(company, esim, role)] == [link.link.id]
            await create(company, esim, role)
            await service.ask(service.travelers.ShowShareLinkCode, show, token)
            await service.ask(service.travelers.RevokeShareLink, revoke, token)
            continue
        for call in (create(company, esim, role), links(company, esim, role)):
            with pytest.raises(Failure) as caught:
                await call
            assert caught.value.reason == refused
        for method, request in (("RevokeShareLink", revoke), ("ShowShareLinkCode", show)):
            with pytest.raises(Failure) as caught:
                await service.ask(getattr(service.travelers, method), request, token)
            assert caught.value.reason == "SHARE_LINK_NOT_FOUND"
    with pytest.raises(Failure) as caught:
        await links(other, bought, role)
    assert caught.value.reason == "ESIM_NOT_FOUND"


@pytest.mark.parametrize("days", [-1, 0, 367])
async def test_an_expiry_in_the_past_or_far_away_is_refused(company: Company, days: int) -> None:
    esim = await company.deliver()
    at = timestamps.to_proto(
        datetime.now(UTC) + timedelta(days=days, minutes=-1 if days < 1 else 1)
    )
    with pytest.raises(Failure) as caught:
        await create(company, esim, expires_at=at)
    assert list(caught.value.fields) == ["expires_at"]
