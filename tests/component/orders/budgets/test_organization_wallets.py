"""Who sees the wallet of an organization, and corrections that are refused."""

from typing import Any
from uuid import uuid4

from kit.values import money
from protos.orders.v1 import payments_pb2 as pb
from services.orders.organizations.membership import MemberRole
from tests.component.orders.budgets.buying_for import Company, company, correction, refusal
from tests.component.orders.payments.paid_shop import PaidShop
from tests.component.orders.shop import Metadata
from tests.fixtures.organizations import create_organization


async def wallet_of(service: Any, acme: Company, who: Metadata) -> list[pb.Wallet]:
    answer = await service.payments.ListWallets(
        pb.ListWalletsRequest(organization_id=acme.acme.id), metadata=who
    )
    return list(answer.wallets)


async def test_who_sees_the_wallet_of_an_organization(paid_shop: PaidShop) -> None:
    shop = paid_shop.shop
    async with paid_shop.open() as service, company(shop, "PREPAID", service.channel) as acme:
        people = acme.acme
        staff = await shop.session("money@example.com", role="finance")
        corrected = await service.payments.CorrectWallet(correction(acme, "20"), metadata=staff)
        assert corrected.wallet.organization_id == people.id
        assert not corrected.wallet.customer_id
        entries = pb.ListWalletEntriesRequest(wallet_id=corrected.wallet.id)
        for who in (people.owner, people.manager, people.finance):
            [wallet] = await wallet_of(service, acme, who.metadata)
            assert money.from_proto(wallet.available) == 20
            found = await service.payments.ListWalletEntries(entries, metadata=who.metadata)
            assert [entry.kind for entry in found.entries] == ["CORRECTION"]
        for member in (people.buyer, people.traveler):
            assert (
                await refusal(wallet_of(service, acme, member.metadata))
                == "MEMBER_ROLE_INSUFFICIENT"
            )
            assert (
                await refusal(service.payments.ListWalletEntries(entries, metadata=member.metadata))
                == "WALLET_NOT_FOUND"
            )
        other = await create_organization(
            shop.auth, service.channel, "Other", roles=(MemberRole.OWNER,), currency="USD"
        )
        for session in (other.owner.metadata, await shop.session("stranger@example.com")):
            assert await refusal(wallet_of(service, acme, session)) == "ORGANIZATION_NOT_FOUND"
            assert (
                await refusal(service.payments.ListWalletEntries(entries, metadata=session))
                == "WALLET_NOT_FOUND"
            )
        assert len(await wallet_of(service, acme, staff)) == 1
        both = pb.ListWalletsRequest(organization_id=people.id, customer_id=str(uuid4()))
        assert (
            await refusal(service.payments.ListWallets(both, metadata=staff)) == "INVALID_ARGUMENT"
        )


async def test_corrections_that_are_refused(paid_shop: PaidShop) -> None:
    shop = paid_shop.shop
    async with paid_shop.open() as service, company(shop, "PREPAID", service.channel) as acme:
        staff = await shop.session("money@example.com", role="finance")
        correct = service.payments.CorrectWallet
        for request, reason in (
            (correction(acme, "5", organization_id=str(uuid4())), "ORGANIZATION_NOT_FOUND"),
            (correction(acme, "5", customer_id=str(uuid4())), "INVALID_ARGUMENT"),
            (correction(acme, "5", organization_id="x"), "INVALID_ARGUMENT"),
            (correction(acme, "5", currency="EUR"), "INVALID_ARGUMENT"),
            (
                correction(acme, "5", "EUR", organization_id="", customer_id=acme.acme.id),
                "INVALID_ARGUMENT",
            ),
            (correction(acme, "-5"), "WALLET_TOO_LOW"),
        ):
            assert await refusal(correct(request, metadata=staff)) == reason
        key = correction(acme, "5", idempotency_key="k")
        await correct(key, metadata=staff)
        await correct(key, metadata=staff)
        goodwill = correction(acme, "5", idempotency_key="k", received=False)
        assert await refusal(correct(goodwill, metadata=staff)) == "IDEMPOTENCY_CONFLICT"
        assert await paid_shop.wallet(acme.acme.id) == (5, 0)
        # Who manages an organization does not correct its wallet.
        assert (
            await refusal(correct(correction(acme, "5"), metadata=acme.acme.owner.metadata))
            == "FORBIDDEN"
        )
