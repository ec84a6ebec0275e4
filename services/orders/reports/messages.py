"""Translates reports into their protos."""

from collections.abc import Mapping

from kit.reports.messages import days_to_proto
from kit.values import money, timestamps
from protos.orders.v1 import reports_pb2 as pb
from services.orders.reports.difference import Counts, Difference
from services.orders.reports.report import Dimension, Figures, Group, Report, Row

DIMENSIONS = {one: pb.SalesDimension.Value(f"SALES_DIMENSION_{one}") for one in Dimension}
# Names of organizations by their ids.
Names = Mapping[str, str]


def sales_to_proto(report: Report, names: Names) -> pb.GetSalesResponse:
    response = pb.GetSalesResponse(
        time_zone=report.time_zone,
        as_of=timestamps.to_proto(report.as_of),
        truncated=report.truncated,
        complete=report.complete,
        previous_range=days_to_proto(report.previous_days) if report.previous_days else None,
    )
    # Thousands of rows are written in place.
    periods = {row.days: days_to_proto(row.days) for row in report.rows}
    for row in report.rows:
        made = response.rows.add(
            period=periods[row.days],
            groups=[_group(one, names) for one in row.groups],
            other=row.other,
        )
        _write(row.figures, row.currency, made.figures)
        if row.previous is not None:
            _write(row.previous, row.currency, made.previous)
    for total in report.totals:
        summed = response.totals.add()
        _write(total.figures, total.currency, summed.figures)
        if total.previous is not None:
            _write(total.previous, total.currency, summed.previous)
    return response


def _write(figures: Figures, currency: str, made: pb.SalesFigures) -> None:
    net = figures.net
    made.orders, made.esims = figures.orders, figures.esims
    money.write(figures.gross, currency, made.gross)
    money.write(figures.tax, currency, made.tax)
    money.write(figures.refunds, currency, made.refunds)
    money.write(figures.disputes, currency, made.disputes)
    money.write(net, currency, made.net)
    money.write(figures.cost, currency, made.cost)
    money.write(figures.fees, currency, made.fees)
    money.write(net - figures.cost - figures.fees, currency, made.margin)
    money.write(figures.inventory, currency, made.inventory_value)
    if (percent := figures.margin_percent) is not None:
        made.margin_percent = percent
    made.unconverted_facts = figures.unconverted


def spending_to_proto(report: Report, currency: str) -> pb.GetSpendingResponse:
    """Translate a report without cost and margin, and without rows that have only these."""
    rows = [row for row in report.rows if not (row.groups or row.other) or _spent(row)]
    total = report.totals[0].figures if report.totals else Figures()
    return pb.GetSpendingResponse(
        rows=[
            pb.SpendingRow(
                period=days_to_proto(row.days),
                groups=[_group(one, {}) for one in row.groups],
                other=row.other,
                figures=_spending(row.figures, currency),
            )
            for row in rows
        ],
        totals=_spending(total, currency),
        time_zone=report.time_zone,
        as_of=timestamps.to_proto(report.as_of),
        truncated=any(row.other for row in rows),
        complete=report.complete,
    )


def _spent(row: Row) -> bool:
    found = row.figures
    return bool(found.orders or found.gross or found.tax or found.refunds)


def _spending(figures: Figures, currency: str) -> pb.SpendingFigures:
    return pb.SpendingFigures(
        orders=figures.orders,
        esims=figures.esims,
        gross=money.to_proto(figures.gross, currency),
        tax=money.to_proto(figures.tax, currency),
        refunds=money.to_proto(figures.refunds, currency),
        spent=money.to_proto(figures.gross - figures.refunds, currency),
    )


def _group(group: Group, names: Names) -> pb.SalesGroup:
    is_organization = group.dimension is Dimension.ORGANIZATION
    return pb.SalesGroup(
        dimension=DIMENSIONS[group.dimension],
        value=group.value,
        label=names.get(group.value, group.label) if is_organization else group.label,
    )


def difference_to_proto(difference: Difference) -> pb.SalesDifference:
    return pb.SalesDifference(
        code=difference.code, subject=difference.subject, message=difference.message
    )


def summary_to_proto(counts: Counts) -> pb.RebuildSalesSummary:
    return pb.RebuildSalesSummary(
        days=counts.days,
        ledger_transactions=counts.ledger_transactions,
        facts=counts.facts,
        differences=counts.differences,
        recorded=counts.recorded,
    )
