"""Statements of organizations that buy on account, as types and inputs."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Self

import strawberry

from gateway.execution.columns import computed, enum, exact_amount, text, timestamp
from gateway.execution.views import View, listed, read
from gateway.schema import results
from gateway.schema.prices.price_lists import NEXT
from protos.orders.v1 import statements_pb2 as pb


@strawberry.enum(description="Status of a statement.")
class StatementStatus(Enum):
    OPEN = strawberry.enum_value("OPEN", description="Issued, and to be paid until its due date.")
    DUE = strawberry.enum_value(
        "DUE", description="Its due date is over, and something is left to pay."
    )
    PAID = strawberry.enum_value("PAID", description="Nothing is left to pay.")


@strawberry.type(
    description="What an organization may buy on account, and what it owes. All amounts are in its currency,"
    " as decimal strings."
)
class CreditAccount(View):
    organization_id: strawberry.ID = read("organization_id", description="The organization.")
    credit_limit: str = read(
        exact_amount("credit_limit"),
        description="What it may owe; 0 unless it is billed by INVOICE.",
    )
    reserved: str = read(
        exact_amount("reserved"), description="What its unfinished orders will cost."
    )
    owed: str = read(
        exact_amount("owed"),
        description="What it owes: unpaid statements, and what is on no statement yet. Negative if the shop"
        " owes it.",
    )
    available: str = read(exact_amount("available"), description="What it can still buy.")
    unbilled: str = read(exact_amount("unbilled"), description="What is on no statement yet.")
    currency: str = read("owed.currency_code", description="ISO 4217 code of the amounts.")
    proto: strawberry.Private[pb.CreditAccount]


@strawberry.type(description="What was paid, credited, or carried from or to another statement.")
class StatementSettlement(View):
    id: strawberry.ID = read("id", description="A UUID.")
    kind: str = read(
        "kind",
        description="PAYMENT, CREDIT_NOTE, or CARRIED for what was left over of another statement; more may"
        " be added.",
    )
    number: str | None = read(
        text("number"),
        description='Number of a credit note, such as "CN-000007"; else null. It can be downloaded at'
        " `/statements/{id}/credit-notes/{number}.pdf`.",
    )
    amount: str = read(
        exact_amount("amount"),
        description="Amount by which it reduces what is left to pay, as a decimal string. Negative if the"
        " amount was carried to another statement.",
    )
    paid_on: str | None = read(
        text("paid_on"), description='For a payment: the day it arrived, such as "2026-11-30".'
    )
    tax: str | None = read(
        exact_amount("tax", optional=True),
        description="The tax in a credit note, as a decimal string; null for the others.",
    )
    note: str | None = read(
        text("note"),
        description="Reference of a payment, or reason of a credit note; null if none.",
    )
    other_number: str | None = read(
        text("other_number"),
        description="For CARRIED: the number of the other statement; else null.",
    )
    at: datetime = read(timestamp("at"), description="When it was recorded.")
    actor: str | None = read(
        text("actor"), description="Account that recorded it; only for the finance staff."
    )
    proto: strawberry.Private[pb.StatementSettlement]


@strawberry.type(
    description="Paths of downloads at this server, for the same session: the statement as it was issued."
)
class StatementDownloads:
    csv: str = strawberry.field(description="Path of the lines as a sheet.")
    pdf: str = strawberry.field(description="Path of the statement as PDF.")


def _downloads(row: Any) -> StatementDownloads:
    return StatementDownloads(csv=f"/statements/{row.id}.csv", pdf=f"/statements/{row.id}.pdf")


@strawberry.type(
    description="What an organization bought on account in a calendar month. It never changes once it is"
    " issued: corrections are credit notes. All amounts are in `currency`, as decimal strings."
)
class Statement(View):
    id: strawberry.ID = read("id", description="A UUID.")
    number: str = read(
        "number",
        description='Such as "ST-000042". Numbers have no gaps over all organizations of the shop.',
    )
    organization_id: strawberry.ID = read("organization_id", description="The organization.")
    status: StatementStatus = read(
        enum("status", StatementStatus, pb.StatementStatus, "STATEMENT_STATUS_"),
        description="Status of the statement.",
    )
    month: str = read("month", description='First day of its calendar month, such as "2026-11-01".')
    starts_at: datetime = read(
        timestamp("starts_at"), description="When the month began in the organization's time zone."
    )
    ends_at: datetime = read(
        timestamp("ends_at"),
        description="End of its period, exclusive: the end of the month there, or the time at which the staff"
        " issued the statement earlier.",
    )
    time_zone: str = read("time_zone", description="IANA name of the time zone.")
    total: str = read(
        exact_amount("total"),
        description="Sum of its lines, tax included. Negative if more was refunded than bought.",
    )
    tax: str = read(exact_amount("tax"), description="The tax in the total.")
    left: str = read(
        exact_amount("left"),
        description="What is left to pay. Negative if too much was paid or credited, which is carried to"
        " another statement.",
    )
    currency: str = read("total.currency_code", description="ISO 4217 code of the amounts.")
    due_on: str = read("due_on", description='Due date, such as "2026-12-15".')
    issued_at: datetime = read(timestamp("issued_at"), description="When it was issued.")
    name: str = read("name", description="Name of the organization as of the issue.")
    billing_address: str | None = read(
        text("billing_address"), description="Its address as of the issue; null if it had none."
    )
    country: str | None = read(
        text("country"), description="ISO 3166-1 alpha-2 code of its country as of the issue."
    )
    tax_id: str | None = read(text("tax_id"), description="Its tax id as of the issue.")
    issuer: str | None = read(
        text("issuer"), description="Name and address of the shop as of the issue."
    )
    payable_to: str | None = read(text("payable_to"), description="How to pay, as of the issue.")
    line_count: int = read("line_count", description="Number of its lines.")
    settlements: list[StatementSettlement] = listed(
        "settlements", StatementSettlement, description="What settles it, the oldest first."
    )
    downloads: StatementDownloads = read(computed(_downloads), description="Paths of downloads.")
    proto: strawberry.Private[pb.Statement]


@strawberry.type(
    description="A purchase or a refund on a statement. Once its buyer is erased, only the amounts are left."
)
class StatementLine(View):
    position: int = read("position", description="Place on the statement, from 1.")
    kind: str = read("kind", description="CHARGE or REFUND.")
    at: datetime = read(
        timestamp("at"),
        description="When it was posted. If it was posted too late for the statement of its month, it is on"
        " the next one, and this time is in the earlier month.",
    )
    order_id: strawberry.ID = read("order_id", description="The order.")
    description: str | None = read(text("description"), description="Title of the plan.")
    reference: str | None = read(text("reference"), description="Reference of the order.")
    group_name: str | None = read(text("group_name"), description="Group that it was bought for.")
    quantity: int = read("quantity", description="Number of plans in the order.")
    amount: str = read(
        exact_amount("amount"),
        description="Exact amount, tax included, as a decimal string; negative for a refund.",
    )
    tax: str = read(exact_amount("tax"), description="The tax in the amount.")
    tax_country: str | None = read(
        text("tax_country"), description="Country whose tax it is; null without tax."
    )
    proto: strawberry.Private[pb.StatementLine]


@strawberry.type(description="A page of statements.")
class StatementPage:
    nodes: list[Statement] = strawberry.field(description="The statements of this page.")
    next_cursor: str | None = strawberry.field(description=NEXT)


@strawberry.type(description="A page of the lines of a statement.")
class StatementLinePage:
    nodes: list[StatementLine] = strawberry.field(description="The lines of this page.")
    next_cursor: str | None = strawberry.field(description=NEXT)


@strawberry.input(description="A payment of a statement that has arrived.")
class StatementPaymentInput:
    amount: str = strawberry.field(
        description='Amount as a decimal string, such as "250.00"; at most what is left to pay.'
    )
    currency: str = strawberry.field(description="ISO 4217 code: that of the statement.")
    paid_on: str = strawberry.field(description='The day it arrived, such as "2026-11-30".')
    note: str = strawberry.field(
        default="", description="Such as the bank's reference; at most 500 characters."
    )
    idempotency_key: str = strawberry.field(
        description="Unique key of this payment, up to 200 visible ASCII characters. Repeating a request with"
        " the same key changes nothing."
    )


@strawberry.input(description="A credit note.")
class StatementCreditInput:
    amount: str = strawberry.field(
        description="Amount as a decimal string, tax included. All credit notes of a statement together are"
        " at most its total. Together with the refunds of its orders, they are at most what it charges for"
        " these orders."
    )
    currency: str = strawberry.field(description="ISO 4217 code: that of the statement.")
    note: str = strawberry.field(
        description="Reason, which the organization reads; 1 to 500 characters."
    )
    idempotency_key: str = strawberry.field(
        description="Unique key of this credit note, up to 200 visible ASCII characters. Repeating a request"
        " with the same key changes nothing."
    )


@strawberry.type(
    description="Result of `issueStatement`, `recordStatementPayment` and `creditStatement`."
)
class StatementResult:
    success: bool = strawberry.field(
        description="True if it was issued or recorded, or had been recorded with the same key."
    )
    statement: Statement | None = strawberry.field(
        default=None, description="The statement as it is now; null if the request was refused."
    )
    error: str | None = results.error()
    code: str | None = results.code("AMOUNT_ABOVE_DUE")

    @classmethod
    def of(cls, statement: pb.Statement) -> Self:
        return cls(success=True, statement=Statement.of(statement))


StatementIdArgument = Annotated[
    strawberry.ID, strawberry.argument(description="The statement's id.")
]
OfOrganizationArgument = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="The organization. Omit for the statements of all, for the finance staff only."
    ),
]
UnpaidArgument = Annotated[
    bool,
    strawberry.argument(description="True: only statements of which something is left to pay."),
]
PaymentArgument = Annotated[
    StatementPaymentInput, strawberry.argument(description="What was paid.")
]
CreditArgument = Annotated[
    StatementCreditInput, strawberry.argument(description="What is credited.")
]
