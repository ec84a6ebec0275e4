"""Translates funnels and cohorts into their protos."""

from kit.reports.messages import days_to_proto
from kit.values import money, timestamps
from protos.orders.v1 import reports_pb2 as pb
from services.orders.reports.cohort import Cell, Cohorts
from services.orders.reports.funnel import REACHED, Funnel, Step


def funnel_to_proto(funnel: Funnel) -> pb.GetFunnelResponse:
    counts, took = funnel.counts, funnel.counts.time_to_delivery
    return pb.GetFunnelResponse(
        **{name: _step(getattr(counts, name)) for name in (*REACHED, "failed", "in_progress")},
        failures=[
            pb.FunnelFailure(reason=reason, orders=orders) for reason, orders in counts.failures
        ],
        time_to_delivery=pb.Durations(p50=took.p50, p95=took.p95, p99=took.p99) if took else None,
        time_zone=funnel.time_zone,
        as_of=timestamps.to_proto(funnel.as_of),
        progress_as_of=timestamps.to_proto(funnel.progress_as_of),
    )


def _step(step: Step) -> pb.FunnelStep:
    return pb.FunnelStep(orders=step.orders, esims=step.esims, top_ups=step.top_ups)


def cohorts_to_proto(report: Cohorts) -> pb.GetCohortsResponse:
    return pb.GetCohortsResponse(
        cohorts=[
            pb.Cohort(
                period=days_to_proto(cohort.period),
                customers=cohort.customers,
                cells=[
                    _cell(number, cell, report.currency) for number, cell in enumerate(cohort.cells)
                ],
            )
            for cohort in report.cohorts
        ],
        time_zone=report.time_zone,
        as_of=timestamps.to_proto(report.as_of),
        complete=report.complete,
        erased_orders=report.erased_orders,
        unconverted_facts=report.unconverted,
    )


def _cell(number: int, cell: Cell, currency: str) -> pb.CohortCell:
    return pb.CohortCell(
        number=number,
        period=days_to_proto(cell.period),
        customers=cell.customers,
        percent=cell.percent,
        orders=cell.orders,
        net=money.to_proto(cell.net, currency) if cell.net is not None else None,
    )
