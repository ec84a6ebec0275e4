"""One-time links with which browsers download exports."""

from datetime import datetime
from enum import Enum
from typing import Annotated

import strawberry

from gateway.execution.auth import auth_field
from gateway.schema import inputs, results
from gateway.schema.reports.types import DateRange
from gateway.sheets.exports.export import Export
from gateway.upstream import export_links
from gateway.upstream.context import Info
from gateway.upstream.export_links import Linked
from kit.reports import requests
from kit.values import timestamps
from kit.values.checks import Checks
from protos.orders.v1 import export_links_pb2 as pb


@strawberry.enum(description="What an export has a row for.")
class ExportKind(Enum):
    ORDERS = strawberry.enum_value(
        "ORDERS", description="An order, with its plan, price, payment, refunds and cost."
    )
    ESIMS = strawberry.enum_value("ESIMS", description="An eSIM, without its activation code.")
    SALES = strawberry.enum_value(
        "SALES", description="A fact about sales, which `salesReport` sums."
    )
    USAGE = strawberry.enum_value(
        "USAGE", description="Data used on a day, in a country, with a plan."
    )
    LEDGER = strawberry.enum_value("LEDGER", description="An entry of the ledger.")
    CUSTOMERS = strawberry.enum_value("CUSTOMERS", description="A customer, with their totals.")


@strawberry.enum(description="Format of an export.")
class ExportFormat(Enum):
    CSV = strawberry.enum_value("CSV", description="CSV in UTF-8, for spreadsheets.")
    PARQUET = strawberry.enum_value(
        "PARQUET", description="Parquet, for data warehouses, if the gateway has pyarrow installed."
    )


@strawberry.type(description="Result of `createExportLink`.")
class ExportLinkResult:
    success: bool = strawberry.field(description=results.SUCCESS)
    url: str | None = strawberry.field(
        default=None,
        description="Address of the file. A secret, which works once; null if the request was refused.",
    )
    expires_at: datetime | None = strawberry.field(
        default=None,
        description="Until when the address works: for a minute; null if the request was refused.",
    )
    error: str | None = results.error()
    code: str | None = results.code("INVALID_ARGUMENT")


KindArgument = Annotated[ExportKind, strawberry.argument(description="What to export.")]
FormatArgument = Annotated[ExportFormat, strawberry.argument(description="Format of the file.")]
RangeArgument = Annotated[
    DateRange | None,
    strawberry.argument(
        description="The days to export. Optional for eSIMs and customers only: omit it to export all of"
        " them."
    ),
]
ZoneArgument = Annotated[
    str | None,
    strawberry.argument(
        description="IANA name of the zone in which days begin. Omit for that of the shop, or for that of the"
        " organization if its orders are exported. Usage is exported only in zones in which it is summed,"
        " which is checked when the link is opened."
    ),
]
OrganizationArgument = Annotated[
    strawberry.ID | None,
    strawberry.argument(
        description="Export only rows of this organization: orders, eSIMs or usage. Omit for those of the"
        " whole shop."
    ),
]
MarkArgument = Annotated[
    bool,
    strawberry.argument(
        description="True for a byte order mark, without which Excel misreads accents in a CSV file that is"
        " opened by a double click."
    ),
]


@strawberry.type
class ExportMutations:
    """Mixed into Mutation."""

    @auth_field(
        description="Creates a link from which a browser downloads an export, once and within a minute. The"
        " export is made with your session when the link is opened, so it contains what you are allowed to"
        " export at that time. The finance staff exports everything; owners, managers and finance of an"
        " organization its orders, eSIMs and usage. Programs need no link: they send GET /exports/orders.csv"
        " with a bearer token."
    )
    @results.refusable(ExportLinkResult)
    async def create_export_link(
        self,
        info: Info,
        kind: KindArgument,
        format: FormatArgument = ExportFormat.CSV,
        range: RangeArgument = None,
        time_zone: ZoneArgument = None,
        organization_id: OrganizationArgument = None,
        byte_order_mark: MarkArgument = False,
    ) -> ExportLinkResult | None:
        if range is not None:  # empty days are not all days
            checks = Checks()
            requests.days(checks, range.to_proto())
            checks.done()
        export = Export(
            kind=kind.name.lower(),
            format=format.name.lower(),
            from_day=range.from_ if range else "",
            to_day=range.to if range else "",
            time_zone=time_zone or "",
            organization_id=inputs.optional_id(
                "organizationId", organization_id, "for rows of the whole shop"
            ),
            bom=byte_order_mark,
        )
        export.check()
        token = export_links.new_token()
        linked = Linked(export, info.context.session.token)
        request = pb.CreateExportLinkRequest(
            token_hash=export_links.token_hash(token),
            sealed=export_links.seal(token, linked),
            organization_id=export.organization_id,
        )
        answer = await info.context.call(info.context.peers.export_links.CreateExportLink, request)
        url = f"{info.context.public_url}{export_links.PATH}{token}"
        until = timestamps.from_proto(answer.expires_at)
        return ExportLinkResult(success=True, url=url, expires_at=until)
