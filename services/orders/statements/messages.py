"""Translates statements into their protos."""

from collections.abc import Sequence

from kit.auth.sessions import STAFF, Session
from kit.values import money, timestamps
from protos.orders.v1 import statements_pb2 as pb
from services.orders.statements.statement import (
    CreditAccount,
    Line,
    Settlement,
    Statement,
    StatementStatus,
    number,
)

STATUSES = {
    StatementStatus.OPEN: pb.STATEMENT_STATUS_OPEN,
    StatementStatus.DUE: pb.STATEMENT_STATUS_DUE,
    StatementStatus.PAID: pb.STATEMENT_STATUS_PAID,
}


def statement_to_proto(
    statement: Statement, settlements: Sequence[Settlement], session: Session
) -> pb.Statement:
    """Return a statement; only the staff sees who recorded what settles it."""
    currency = statement.currency
    return pb.Statement(
        id=str(statement.id),
        number=statement.number,
        organization_id=str(statement.organization_id),
        status=STATUSES[statement.status],
        month=statement.month.isoformat(),
        starts_at=timestamps.to_proto(statement.starts_at),
        ends_at=timestamps.to_proto(statement.ends_at),
        time_zone=statement.time_zone,
        total=money.to_proto(statement.total, currency),
        tax=money.to_proto(statement.tax, currency),
        left=money.to_proto(statement.left, currency),
        due_on=statement.due_on.isoformat(),
        issued_at=timestamps.to_proto(statement.issued_at),
        name=statement.name,
        billing_address=statement.billing_address,
        country=statement.country,
        tax_id=statement.tax_id,
        locale=statement.locale,
        issuer=statement.issuer,
        payable_to=statement.payable_to,
        line_count=statement.line_count,
        settlements=[
            _settlement(one, currency, staff=session.role in STAFF) for one in settlements
        ],
    )


def _settlement(one: Settlement, currency: str, *, staff: bool) -> pb.StatementSettlement:
    return pb.StatementSettlement(
        id=str(one.id),
        kind=one.kind,
        number=one.number,
        amount=money.to_proto(one.amount, currency),
        paid_on=one.paid_on.isoformat() if one.paid_on else "",
        note=one.note,
        other_number="" if one.other_n is None else number(one.other_n),
        at=timestamps.to_proto(one.at),
        actor=one.actor if staff else "",
        tax=money.to_proto(one.tax, currency) if one.n is not None else None,
    )


def line_to_proto(line: Line, currency: str, token: str) -> pb.StatementLine:
    return pb.StatementLine(
        position=line.position,
        kind=line.kind,
        at=timestamps.to_proto(line.at),
        order_id=str(line.order_id),
        description=line.description,
        reference=line.reference,
        group_name=line.group_name,
        quantity=line.quantity,
        amount=money.to_proto(line.amount, currency),
        tax=money.to_proto(line.tax, currency),
        tax_country=line.tax_country,
        row_token=token,
    )


def account_to_proto(account: CreditAccount) -> pb.CreditAccount:
    currency = account.currency
    return pb.CreditAccount(
        organization_id=str(account.organization_id),
        credit_limit=money.to_proto(account.credit_limit, currency),
        reserved=money.to_proto(account.reserved, currency),
        owed=money.to_proto(account.owed, currency),
        available=money.to_proto(account.available, currency),
        unbilled=money.to_proto(account.unbilled, currency),
    )
