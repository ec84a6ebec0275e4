"""Translates reports into their protos."""

from collections.abc import Mapping

from kit.reports.messages import days_to_proto, write_days
from kit.values import money, timestamps
from protos.orders.v1 import reports_pb2 as pb
from services.orders.reports.difference import Counts, Difference
from services.orders.reports.report import Dimension, Figures, Report, Row

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
    # Thousands of rows are written in place, as copying takes longer.
    for row in report.rows:
        made = response.rows.add()
        _describe(row, names, made)
        _write(row.figures, row.currency, made.figures)
        if row.previous is not None:
            _write(row.previous, row.currency, made.previous)
    for total in report.totals:
        summed = response.totals.add()
        _write(total.figures, total.currency, summed.figures)
        if total.previous is not None:
            _write(total.previous, total.currency, summed.previous)
    return response


def _describe(row: Row, names: Names, made: pb.SalesRow | pb.SpendingRow) -> None:
    write_days(row.days, made.period)
    for group in row.groups:
        is_organization = group.dimension is Dimension.ORGANIZATION
        one = made.groups.add()
        one.dimension, one.value = DIMENSIONS[group.dimension], group.value
        one.label = names.get(group.value, group.label) if is_organization else group.label
    made.other = row.other


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
    response = pb.GetSpendingResponse(
        time_zone=report.time_zone,
        as_of=timestamps.to_proto(report.as_of),
        truncated=any(row.other for row in rows),
        complete=report.complete,
    )
    for row in rows:
        made = response.rows.add()
        _describe(row, {}, made)
        _write_spending(row.figures, currency, made.figures)
    _write_spending(total, currency, response.totals)
    return response


def _spent(row: Row) -> bool:
    found = row.figures
    return bool(found.orders or found.gross or found.tax or found.refunds)


def _write_spending(figures: Figures, currency: str, made: pb.SpendingFigures) -> None:
    made.orders, made.esims = figures.orders, figures.esims
    money.write(figures.gross, currency, made.gross)
    money.write(figures.tax, currency, made.tax)
    money.write(figures.refunds, currency, made.refunds)
    money.write(figures.gross - figures.refunds, currency, made.spent)


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
