"""Downloads of statements: the lines as a sheet, and the statement as a PDF."""

from collections.abc import AsyncGenerator, Sequence
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

from aiohttp import web
from google.protobuf.timestamp_pb2 import Timestamp

from gateway.http.files.downloads import Downloads
from gateway.http.files.rendering import Renderer
from gateway.http.rest import Rest
from gateway.sheets import writing
from gateway.sheets.report import Report, Table
from gateway.upstream.calls import READ_TIMEOUT
from gateway.upstream.peers import Peers
from kit.auth.sessions import Session
from kit.errors import Failure, Kind
from kit.rpc import client as rpc_client
from kit.values import currencies, money, timestamps
from protos.common.v1 import money_pb2
from protos.orders.v1 import statements_pb2 as pb

# The orders service's maximum.
PAGE = 1000
# Lines of a PDF. A longer statement is downloaded as a sheet.
MAX_LINES = 2000
HEADER = (
    *("position", "date", "kind", "order", "description", "reference", "group", "quantity"),
    *("amount", "tax", "tax country", "currency"),
)
COLUMNS = ("", "Date", "Description", "Reference", "Group", "Amount", "Tax")
# Numbers fit on one line: positions up to MAX_LINES, amounts below a billion, taxes below a hundred million.
WIDTHS = (10, 19, 49, 30, 18, 25, 23)


class StatementDownloads:
    """The routes. The orders service checks the caller's role."""

    def __init__(self, rest: Rest, peers: Peers, renderer: Renderer, downloads: Downloads) -> None:
        self._rest = rest
        self._peers = peers
        self._renderer = renderer
        self._downloads = downloads

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get(f"/statements/{{id}}.{kind}", self._rest.signed_in(handler), allow_head=False)
            for kind, handler in (("csv", self.sheet), ("pdf", self.document))
        ] + [
            web.get(
                "/statements/{id}/credit-notes/{number}.pdf",
                self._rest.signed_in(self.credit_note),
                allow_head=False,
            )
        ]

    async def sheet(self, request: web.Request, session: Session) -> web.StreamResponse:
        """Return a CSV file; with `bom=true` in the query, it begins with a byte order mark, for Excel."""
        marked = request.query.get("bom", "").lower() in ("1", "true")
        statement = await self._statement(request, session)
        pieces = self._csv(session, statement, marked=marked)
        return await self._downloads.send(request, session, f"{statement.number}.csv", pieces)

    async def document(self, request: web.Request, session: Session) -> web.StreamResponse:
        """Return a PDF."""
        statement = await self._statement(request, session)
        if statement.line_count > MAX_LINES:
            raise Failure(
                Kind.REFUSED,
                "STATEMENT_TOO_LONG",
                f"A PDF has at most {MAX_LINES:,} lines, and this statement has"
                f" {statement.line_count:,}: download it as CSV",
            )
        lines = [line async for page in self._lines(session, statement) for line in page]
        pieces = self._renderer.report(report(statement, lines))
        return await self._downloads.send(request, session, f"{statement.number}.pdf", pieces)

    async def credit_note(self, request: web.Request, session: Session) -> web.StreamResponse:
        """Return a credit note as PDF."""
        statement = await self._statement(request, session)
        number = request.match_info["number"]
        found = [one for one in statement.settlements if one.number and one.number == number]
        if not found:
            raise Failure(
                Kind.NOT_FOUND,
                "CREDIT_NOTE_NOT_FOUND",
                "This statement has no credit note with this number; see its settlements",
            )
        pieces = self._renderer.report(credit_note(statement, found[0]))
        return await self._downloads.send(request, session, f"{number}.pdf", pieces)

    async def _statement(self, request: web.Request, session: Session) -> pb.Statement:
        try:
            statement_id = str(UUID(request.match_info["id"]))
        except ValueError as error:
            raise Failure(
                Kind.NOT_FOUND,
                "STATEMENT_NOT_FOUND",
                "Statement not found; list the statements for their ids",
            ) from error
        wanted = pb.GetStatementRequest(statement_id=statement_id)
        answer = await rpc_client.call(
            self._peers.statements.GetStatement, wanted, token=session.token, timeout=READ_TIMEOUT
        )
        return answer.statement

    async def _lines(
        self, session: Session, statement: pb.Statement
    ) -> AsyncGenerator[Sequence[pb.StatementLine], None]:
        wanted = pb.ListStatementLinesRequest(statement_id=statement.id, page_size=PAGE)
        while True:
            page = await rpc_client.call(
                self._peers.statements.ListStatementLines,
                wanted,
                token=session.token,
                timeout=READ_TIMEOUT,
            )
            yield page.lines
            if not page.next_page_token:
                return
            wanted.page_token = page.next_page_token

    async def _csv(
        self, session: Session, statement: pb.Statement, *, marked: bool
    ) -> AsyncGenerator[bytes, None]:
        yield b"".join(writing.lines(HEADER, (), byte_order_mark=marked))
        async for page in self._lines(session, statement):
            yield b"".join(writing.line(_row(line, statement)) for line in page)


def credit_note(statement: pb.Statement, note: pb.StatementSettlement) -> Report:
    """Return a credit note, to print."""
    facts = [
        *_parties(statement),
        ("Statement", f"{statement.number} of {_day(statement, statement.issued_at)}"),
        ("Issued", _day(statement, note.at)),
        ("Credited", _shown(note.amount)),
        ("Tax in it", _shown(note.tax)),
        ("Reason", note.note),
    ]
    return Report(
        f"Credit note {note.number}",
        facts=[(label, value) for label, value in facts if value],
        notes=[
            "The statement itself is unchanged. What is left to pay of it is shown in your account."
        ],
    )


def _parties(statement: pb.Statement) -> list[tuple[str, str]]:
    return [
        ("From", statement.issuer),
        ("To", "\n".join(filter(None, (statement.name, statement.billing_address)))),
        ("Tax id", statement.tax_id),
    ]


def report(statement: pb.Statement, lines: Sequence[pb.StatementLine]) -> Report:
    """Return a statement as it was issued, to print."""
    due = [("To pay", _shown(statement.total)), ("Due", statement.due_on)]
    facts = [
        *_parties(statement),
        ("Month", f"{statement.month[:7]} ({statement.time_zone})"),
        ("Issued", _day(statement, statement.issued_at)),
        ("Total", _shown(statement.total)),
        ("Tax in it", _shown(statement.tax)),
        *(due if money.from_proto(statement.total) > 0 else []),
        ("Pay to", statement.payable_to),
    ]
    return Report(
        f"Statement {statement.number}",
        facts=[(label, value) for label, value in facts if value],
        tables=[Table(COLUMNS, [_cells(one, statement) for one in lines], WIDTHS, (5, 6))],
        notes=[
            f"All amounts are in {statement.total.currency_code} and include tax.",
            "This statement never changes. Payments, credit notes, and what is carried from other"
            " statements are shown in your account.",
        ],
    )


def _row(line: pb.StatementLine, statement: pb.Statement) -> tuple[str | int | Decimal | None, ...]:
    return (
        line.position,
        timestamps.from_proto(line.at).astimezone(ZoneInfo(statement.time_zone)).isoformat(),
        line.kind,
        line.order_id,
        line.description,
        line.reference,
        line.group_name,
        line.quantity,
        money.from_proto(line.amount),
        money.from_proto(line.tax),
        line.tax_country,
        line.amount.currency_code,
    )


def _cells(line: pb.StatementLine, statement: pb.Statement) -> tuple[str, ...]:
    what = line.description or "(erased)"
    many = f"{line.quantity} x {what}" if line.quantity > 1 else what
    # A refund may be of a part of the order.
    return (
        str(line.position),
        _day(statement, line.at),
        f"Refund of an order: {many}" if line.kind == "REFUND" else many,
        line.reference,
        line.group_name,
        _plain(line.amount),
        _plain(line.tax),
    )


def _plain(amount: money_pb2.Money) -> str:
    digits = currencies.digits(amount.currency_code)
    return f"{money.from_proto(amount):,.{digits}f}"


def _shown(amount: money_pb2.Money) -> str:
    return f"{_plain(amount)} {amount.currency_code}"


def _day(statement: pb.Statement, stamp: Timestamp) -> str:
    zone = ZoneInfo(statement.time_zone)
    return timestamps.from_proto(stamp).astimezone(zone).date().isoformat()
