"""Builds the postings of what settles the statements of organizations. Pure, as `postings`."""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from services.orders.books.posting import (
    MANUAL,
    NONE,
    REFUNDS,
    Posting,
    PostingKind,
    build,
    receivable_account,
)


def statement_paid(
    settlement_id: UUID, organization_id: UUID, amount: Decimal, currency: str
) -> Posting | None:
    """Post that an organization paid a statement, or a part of it."""
    return build(
        PostingKind.STATEMENT_PAYMENT,
        f"statement_payment:{settlement_id}",
        [(MANUAL, amount), (receivable_account(organization_id), -amount)],
        currency,
    )


def credit_note(
    settlement_id: UUID,
    organization_id: UUID,
    amount: Decimal,
    taxes: Mapping[str, Decimal],
    currency: str,
) -> Posting | None:
    """Post that an organization owes less; `taxes` is the tax in the amount, by country."""
    return build(
        PostingKind.CREDIT_NOTE,
        f"credit_note:{settlement_id}",
        [
            (REFUNDS, amount - sum(taxes.values(), NONE)),
            *((f"tax:{country}", tax) for country, tax in taxes.items()),
            (receivable_account(organization_id), -amount),
        ],
        currency,
    )
