"""Filters of reports name countries as people write them: another spelling must not look like no sales."""

import pytest

from protos.common.v1 import days_pb2
from protos.esims.v1 import reports_pb2 as usage_pb
from protos.orders.v1 import reports_pb2 as sales_pb
from services.esims.reports import requests as usage_requests
from services.orders.reports import requests as sales_requests

DAYS = days_pb2.DayRange(from_day="2026-11-01", to_day="2026-11-30")


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("fr", "FR"),
        ("UK", "GB"),
        ("France", "FR"),
        ("DEU", "DE"),
        ("us-hi", "US-HI"),
        ("CYP", "CYP"),
    ],
)
def test_a_country_is_found_by_its_code_alias_or_name(given: str, code: str) -> None:
    sales = sales_pb.GetSalesRequest(range=DAYS, filter=sales_pb.SalesFilter(countries=[given]))
    assert sales_requests.sales(sales).filter.countries == (code,)
    usage = usage_pb.GetUsageRequest(range=DAYS, filter=usage_pb.UsageFilter(countries=[given]))
    assert usage_requests.usage(usage).filter.countries == (code,)
