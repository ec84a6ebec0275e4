"""Response shapes that the provider's documentation leaves open, as the switches choose them."""

import json
from typing import Any

import pytest

from tests.component.sandbox.conftest import BUNDLE, Client, Play


async def test_orders_may_be_wrapped_in_an_object(play: Play) -> None:
    client = await play(orders_shape="object")
    await client.buy()
    shown = await client.get("/orders")
    assert (shown["rows"], shown["pageCount"], shown["pageSize"]) == (1, 1, 10)
    assert len(shown["orders"]) == 1


@pytest.mark.parametrize(("arrays", "there"), [("empty", True), ("absent", False)])
async def test_an_order_without_esims_has_configurable_arrays(
    play: Play, arrays: str, there: bool
) -> None:
    client = await play(unassigned_arrays=arrays)
    [line] = (await client.buy(assign=False))["order"]
    assert ("iccids" in line, "esims" in line) == (there, there)


@pytest.mark.parametrize(
    ("choice", "expected"), [("absent", {}), ("zero", {"x": 0}), ("null", {"x": None})]
)
async def test_an_esim_that_was_never_installed_has_configurable_fields(
    play: Play, choice: str, expected: dict[str, Any]
) -> None:
    client = await play(never_installed=choice)
    shown = await client.get(f"/esims/{await client.esim()}")
    key = "firstInstalledDateTime"
    assert ({"x": shown[key]} if key in shown else {}) == expected


async def test_the_key_and_order_of_the_history_are_configurable(play: Play) -> None:
    client = await play(history_key="bundle", history_order="oldest")
    iccid = await client.esim()
    await client.call("GET", f"/esims/{iccid}/refresh")
    shown = await client.get(f"/esims/{iccid}/history")
    assert [item["name"] for item in shown] == ["Bundle Applied", "eSIM Refreshed"]
    assert shown[0]["bundle"] == BUNDLE


@pytest.mark.parametrize(("choice", "count"), [("latest", 1), ("all", 2)])
async def test_the_status_of_a_bundle_bought_twice_is_configurable(
    play: Play, choice: str, count: int
) -> None:
    client = await play(bundle_status=choice)
    iccid = await client.esim()
    again = await client.buy(iccids=[iccid])
    shown = (await client.get(f"/esims/{iccid}/bundles/{BUNDLE}"))["assignments"]
    assert len(shown) == count
    assert shown[0]["assignmentReference"] == f"{again['orderReference']}-0"


async def test_states_may_be_capitalized(play: Play) -> None:
    client = await play(state_words="capital")
    iccid = await client.esim()
    assert (await client.get(f"/esims/{iccid}"))["state"] == "Active"
    assert (await client.get("/esims"))["esims"][0]["state"] == "Active"


async def test_iccids_of_callbacks_may_be_numbers(play: Play) -> None:
    client = await play(callback_iccid="number")
    iccid = await client.esim()
    await client.control(f"esims/{iccid}/attach", {})
    [first, _] = (await client.control("deliveries"))["deliveries"]
    assert json.loads(first["body"])["iccid"] == int(iccid)


@pytest.mark.parametrize(("unit", "left"), [("BYTES", 400_000_000), ("MB", 400)])
async def test_the_unit_of_allowances_is_configurable(play: Play, unit: str, left: int) -> None:
    client = await play(allowance_unit=unit)
    iccid = await client.esim()
    await client.control(f"esims/{iccid}/use-data", {"megabytes": 600})
    [shown] = (await client.get(f"/esims/{iccid}/bundles/{BUNDLE}"))["assignments"]
    assert shown["remainingQuantity"] == 400_000_000
    assert shown["allowances"][0]["remainingAmount"] == left
    assert shown["allowances"][0]["unit"] == unit


async def test_unlimited_amounts_in_the_catalogue_are_configurable(play: Play) -> None:
    client = await play(unlimited_data_amount=50_000)
    bundle = await client.get("/catalogue/bundle/esim_UL_7D_GB_V2")
    assert (bundle["dataAmount"], bundle["allowances"][0]["amount"]) == (50_000, 50_000)
    assert bundle["unlimited"] is True


async def test_csv_may_be_quoted(play: Play) -> None:
    client = await play(csv_form="quoted", smdp_scheme=True)
    order = await client.buy()
    reply = await client.call("GET", f"/esims/csv/{order['orderReference']}")
    head, row, _ = reply.raw.decode().split("\n")
    assert head == '"ICCID","Matching ID","RSP URL","Bundle"'
    assert '"http://rsp-' in row


async def test_validating_may_check_the_balance(client: Client) -> None:
    await client.control("balance", {"set": 1})
    line = {"type": "bundle", "quantity": 1, "item": BUNDLE}
    body = {"type": "validate", "assign": True, "order": [line]}
    assert (await client.call("POST", "/orders", body)).status == 200
    await client.control("switches", {"validate_checks_balance": True})
    assert (await client.call("POST", "/orders", body)).status == 400


async def test_install_details_may_wait_for_the_bundle(play: Play) -> None:
    client = await play(installs_wait=True, processing_seconds=600)
    order = await client.buy()
    path = f"/esims/assignments?reference={order['orderReference']}"
    assert (await client.call("GET", path)).status == 503
    await client.control("clock/advance", {"minutes": 10})
    assert (await client.call("GET", path)).status == 200


async def test_an_unavailable_profile_cannot_be_installed(client: Client) -> None:
    iccid = await client.esim()
    shown = await client.control(f"esims/{iccid}/unavailable", {})
    assert shown["profileStatus"] == "Unavailable"
    await client.refused(f"esims/{iccid}/install", {}, status=409)
