from decimal import Decimal
from typing import Any

import pytest

from kit.errors import Failure, Kind
from services.orders.order import DeliveredESIM, Refund
from services.orders.provider.provider_bundle import read_refund
from services.orders.provider.provider_order import (
    bare_host,
    read_esims,
    read_order,
    read_orders,
    read_validation,
)

ICCID = "8943100000000000017"


def an_order(**changes: Any) -> dict[str, Any]:
    order = {
        "order": [
            {
                "type": "bundle",
                "item": "esim_1GB_7D_FR_V2",
                "quantity": 1,
                "subTotal": Decimal("1.36"),
                "esims": [{"iccid": ICCID, "matchingId": "M-1", "smdpAddress": "http://rsp.test"}],
                "iccids": [ICCID],
            }
        ],
        "total": Decimal("1.36"),
        "currency": "usd",
        "status": "completed",
        "orderReference": "ref-1",
        "createdDate": "2026-02-02T10:15:03.418220951Z",
        "somethingNew": {"is": "ignored"},
    }
    return order | changes


def test_an_order_is_parsed_completely() -> None:
    order = read_order(an_order())
    assert (order.reference, order.item, order.quantity) == ("ref-1", "esim_1GB_7D_FR_V2", 1)
    assert (order.total, order.currency) == (Decimal("1.36"), "USD")
    assert order.created_at is not None
    assert order.created_at.isoformat() == "2026-02-02T10:15:03.418220+00:00"
    assert order.esims == (DeliveredESIM(ICCID, "M-1", "rsp.test"),)


def test_totals_and_balances_are_parsed_without_float_noise() -> None:
    noisy = {
        "total": Decimal("2.2800000000000002"),
        "runningBalance": Decimal("-0.30000000000000004"),
    }
    order = read_order(an_order(**noisy))
    assert (order.total, order.balance) == (Decimal("2.28"), Decimal("-0.3"))
    as_text = read_order(an_order(total="3.1500000000000004"))
    assert as_text.total == Decimal("3.15")
    validated = read_validation(
        {"valid": True, "total": Decimal("3.1500000000000004"), "currency": "USD"}
    )
    assert validated.total == Decimal("3.15")


def test_an_order_in_preparation_has_no_esims() -> None:
    line = {"type": "bundle", "item": "x", "quantity": 6}
    assert read_order(an_order(order=[line])).esims == ()
    assert read_order(an_order(order=[line | {"esims": None, "iccids": []}])).esims == ()


@pytest.mark.parametrize(
    "lines",
    [
        [{"type": "bundleAssignment", "item": "ref-0", "quantity": 0}],
        [{"type": "apiTopup", "item": "API Topup", "quantity": 1}],
        [
            {"type": "bundle", "item": "a", "quantity": 1},
            {"type": "bundle", "item": "a", "quantity": 1},
        ],
        [],
    ],
)
def test_rows_that_are_not_a_purchase_of_one_bundle_have_no_item(lines: list[Any]) -> None:
    assert read_order(an_order(order=lines)).item is None


@pytest.mark.parametrize("missing", ["orderReference", "order"])
def test_an_order_without_required_fields_is_a_bad_response(missing: str) -> None:
    shape = an_order()
    del shape[missing]
    with pytest.raises(Failure) as raised:
        read_order(shape)
    assert (raised.value.kind, raised.value.reason) == (Kind.UNAVAILABLE, "PROVIDER_BAD_ANSWER")


@pytest.mark.parametrize(
    "date",
    [None, "", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", 7, "x"],
)
def test_an_order_with_an_implausible_time_is_parsed_without_it(date: Any) -> None:
    order = read_order(an_order(createdDate=date))
    assert (order.reference, order.created_at) == ("ref-1", None)


def test_a_placeholder_for_one_name_of_the_time_does_not_hide_the_other() -> None:
    dates = {"createdDate": "0001-01-01T00:00:00Z", "createDate": "2026-02-02T10:15:03Z"}
    created = read_order(an_order(**dates)).created_at
    assert created is not None
    assert created.isoformat() == "2026-02-02T10:15:03+00:00"


def test_a_list_may_be_an_array_or_an_object_with_pages_or_one_order() -> None:
    row = an_order()
    assert read_orders([row]) == ([row], None)
    assert read_orders({"orders": [row], "pageCount": 3}) == ([row], 3)
    assert read_orders(row) == ([row], None)
    assert read_orders({"orders": None, "pageCount": 0}) == ([], None)
    with pytest.raises(Failure):
        read_orders({"message": "?"})


def test_install_details_are_one_object_or_several_under_either_name() -> None:
    one = {"iccid": ICCID, "matchingId": "M", "smdpAddress": "rsp.test"}
    old = {"iccid": ICCID, "matchingId": "M", "rspUrl": "https://rsp.test/"}
    assert read_esims(one) == read_esims([old]) == [DeliveredESIM(ICCID, "M", "rsp.test")]
    assert read_esims(None) == read_esims([{"matchingId": "M"}]) == []


@pytest.mark.parametrize("less", [{}, {"matchingId": ""}, {"matchingId": "N", "smdpAddress": None}])
def test_a_second_row_without_install_details_does_not_hide_those_of_the_first(less: Any) -> None:
    whole = {"iccid": ICCID, "matchingId": "M", "smdpAddress": "rsp.test"}
    for rows in ([whole, {"iccid": ICCID} | less], [{"iccid": ICCID} | less, whole]):
        assert read_esims(rows) == [DeliveredESIM(ICCID, "M", "rsp.test")]


def test_an_iccid_sent_as_a_number_keeps_every_digit() -> None:
    assert read_esims([{"iccid": int(ICCID)}])[0].iccid == ICCID


@pytest.mark.parametrize("written", [f"{ICCID}F", f"{ICCID}f", f" {ICCID[:4]}-{ICCID[4:]} "])
def test_an_iccid_is_the_same_however_the_provider_writes_it(written: str) -> None:
    line = {
        "type": "bundle",
        "item": "b",
        "quantity": 1,
        "esims": [{"iccid": written, "matchingId": "M", "smdpAddress": "rsp.test"}],
        "iccids": [ICCID],
    }
    order = {"orderReference": "r", "createdDate": "2026-01-01T00:00:00Z", "order": [line]}
    (esim,) = read_order(order).esims
    assert (esim.iccid, esim.installable) == (ICCID, True)
    only_named = read_order({**order, "order": [{**line, "esims": [], "iccids": [written]}]})
    assert [esim.iccid for esim in only_named.esims] == [ICCID]


def test_the_matching_id_is_absent_from_the_repr() -> None:
    assert "SECRET" not in repr(read_esims({"iccid": ICCID, "matchingId": "SECRET"}))


@pytest.mark.parametrize(
    ("message", "refund"),
    [
        ("Successfully Revoked Bundle, bundle has been refunded to inventory", Refund.INVENTORY),
        ("Successfully revoked bundle, refunded to balance", Refund.BALANCE),
        ("Successfully Revoked Bundle, bundle has not been refunded", Refund.NONE),
        ("Bundle can be revoked, bundle would not be refunded", Refund.NONE),
        ("Revoked. No refund given.", Refund.NONE),
        ("Successfully Revoked Bundle", None),
        ("refunded to balance or inventory", None),
        ("", None),
    ],
)
def test_the_refund_is_parsed_from_the_message(message: str, refund: Refund | None) -> None:
    assert read_refund(message) is refund


def test_a_validation_must_say_whether_it_is_valid() -> None:
    answer = read_validation({"valid": True, "total": "2.50", "currency": "EUR"})
    assert (answer.valid, answer.total, answer.currency) == (True, Decimal("2.50"), "EUR")
    with pytest.raises(Failure):
        read_validation({"total": 1})


def test_a_scheme_is_not_part_of_the_host() -> None:
    assert bare_host("http://rsp.test") == bare_host("rsp.test/") == "rsp.test"


@pytest.mark.parametrize("written", ["17", "", 8943100000000000000, "8943100000000000017x", None])
def test_an_invalid_iccid_identifies_no_esim(written: Any) -> None:
    line = {"type": "bundle", "item": "b", "quantity": 1, "iccids": [written]}
    assert read_order(an_order(order=[line])).iccids == frozenset()


def test_texts_and_amounts_that_no_column_can_store_are_omitted() -> None:
    order = read_order(
        an_order(
            orderReference="ref\x00-1\ud83d",
            sourceIP="\x00",
            runningBalance="1e999999999",
            total=Decimal("1e999999999"),
        )
    )
    assert (order.reference, order.source_address) == ("ref-1", "")
    assert (order.balance, order.total) == (None, None)
    with pytest.raises(Failure):
        read_order(an_order(orderReference="r" * 1_001))


@pytest.mark.parametrize("quantity", [10**12, -1, True, "1", Decimal("1.5"), None])
def test_an_impossible_quantity_is_not_a_purchase(quantity: Any) -> None:
    line = {"type": "bundle", "item": "b", "quantity": quantity}
    assert read_order(an_order(order=[line])).item is None


@pytest.mark.parametrize("code", ["US$", "dollars", 840, ["USD"], {"code": "USD"}])
def test_a_price_in_an_unreadable_currency_is_absent(code: Any) -> None:
    assert read_validation({"valid": True, "total": 1, "currency": code}).total is None


@pytest.mark.parametrize("code", [None, "", "usd", " USD "])
def test_a_price_is_parsed_without_a_currency_or_with_one_in_any_case(code: Any) -> None:
    assert read_validation({"valid": True, "total": 1, "currency": code}).total == 1


@pytest.mark.parametrize("unreadable", ["EURO", "€", 978])
def test_a_total_in_an_unreadable_currency_is_unknown(unreadable: Any) -> None:
    order = read_order(an_order(currency=unreadable))
    assert (order.total, order.currency) == (None, None)
    without = read_order(an_order(currency=None))
    assert (without.total, without.currency) == (Decimal("1.36"), None)
