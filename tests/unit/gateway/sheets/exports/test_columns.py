"""Columns of exports: one for each field, and the currencies of their amounts."""

from decimal import Decimal

import pytest

from gateway.sheets.exports import columns
from gateway.sheets.exports.columns import Type
from gateway.sheets.exports.export import Export
from gateway.sheets.exports.kinds import KINDS
from kit.errors import Failure
from kit.values import money
from protos.orders.v1 import exports_pb2 as pb
from tests.unit.gateway.sheets.exports.rows import AT, order

SECRET = ("matching", "activation", "smdp", "secret", "token", "pin", "email", "address")


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_field_is_a_column_and_amounts_have_a_currency(kind: object) -> None:
    found = KINDS[str(kind.name)]  # type: ignore[attr-defined] # parametrize passes objects
    names = [column.name for column in found.columns]
    assert len(set(names)) == len(names)
    fields = [field.name for field in found.row.DESCRIPTOR.fields]
    assert [name for name in names if name in fields] == fields
    amounts = [column for column in found.columns if column.type is Type.DECIMAL]
    assert not amounts or "currency" in names
    assert not [name for name in names if any(secret in name for secret in SECRET)]
    row = found.row()
    assert [column.read(row) for column in found.columns if column.type is Type.DECIMAL] == [
        None for _ in amounts
    ]


def test_values_of_an_order() -> None:
    row = order()
    found = {column.name: column.read(row) for column in KINDS["orders"].columns}
    assert found["created_at"] == AT
    assert str(found["created_day"]) == "2026-12-01"
    assert found["countries"] == "CI GH"
    assert (found["currency"], found["total_price"]) == ("EUR", Decimal("19.98"))
    assert (found["cost_currency"], found["cost"]) == ("USD", Decimal("12.345"))
    assert found["data_mb"] == 5000
    # Absent, empty, and an unset flag.
    assert (found["duration_days"], found["coupon_code"], found["sold_at"]) == (None, None, None)
    assert found["unlimited"] is False


def test_two_currencies_under_one_column_are_an_error() -> None:
    row = order()
    row.discount.CopyFrom(money.to_proto(Decimal(1), "USD"))
    (currency,) = (one for one in KINDS["orders"].columns if one.name == "currency")
    with pytest.raises(ValueError, match="EUR and USD"):
        currency.read(row)
    customer = pb.CustomerRow(currency="EUR", gross=money.to_proto(Decimal(1), "JPY"))
    (currency,) = (one for one in KINDS["customers"].columns if one.name == "currency")
    with pytest.raises(ValueError, match="EUR and JPY"):
        currency.read(customer)


def test_a_field_that_is_no_column_is_refused() -> None:
    with pytest.raises(ValueError, match="head: no column"):
        columns.of(pb.ExportOrdersResponse.DESCRIPTOR)


DAYS = {"from_day": "2026-11-01", "to_day": "2026-11-30"}


@pytest.mark.parametrize(
    ("given", "field", "text"),
    [
        ({"kind": "orders"}, "range.from", "such as 2026-11-01"),
        ({"kind": "sales", "from_day": "2026-11-01"}, "range.to", "such as 2026-11-01"),
        ({"kind": "esims", "to_day": "30.11.2026"}, "range.to", "such as 2026-11-01"),
        ({"kind": "usage", "from_day": "2026-11-30", "to_day": "2026-11-01"}, "range.to", "before"),
        ({"kind": "ledger", **DAYS, "time_zone": "Europe/Berln"}, "time_zone", "Europe/Berlin"),
        ({"kind": "orders", **DAYS, "organization_id": "7"}, "organization_id", "UUID"),
        (
            {"kind": "customers", "organization_id": "6f9619ff-8b86-4011-b42d-00c04fc964ff"},
            "organization_id",
            "orders, esims, usage",
        ),
    ],
)
def test_what_can_not_be_exported(given: dict[str, str], field: str, text: str) -> None:
    with pytest.raises(Failure) as raised:
        Export(**given).check()  # type: ignore[arg-type] # only texts are given
    assert raised.value.reason == "INVALID_ARGUMENT"
    assert text in raised.value.fields[field]


def test_requests_and_names_of_files() -> None:
    everything = Export("esims", "parquet")
    everything.check()
    assert everything.name == "esims.parquet"
    assert not everything.request().HasField("range")
    month = Export("orders", **DAYS, time_zone="Asia/Kolkata")  # type: ignore[arg-type] # as above
    month.check()
    assert month.name == "orders-2026-11-01-2026-11-30.csv"
    request = month.request()
    assert (request.range.from_day, request.range.to_day) == ("2026-11-01", "2026-11-30")
    assert (request.time_zone, request.organization_id) == ("Asia/Kolkata", "")
