"""Handlers for orders: validate, place, list."""

import operator
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from sandbox.api.call import Answer, Call
from sandbox.state.catalogue import page_of
from sandbox.state.clock import read_instant
from sandbox.state.exact import amount_text
from sandbox.state.ordering import check_balance, place, read_lines, total_of
from sandbox.state.records import Esim, Line, Order
from sandbox.state.refusal import bad
from sandbox.state.world import World

COMPARISONS: Mapping[str, Callable[[datetime, datetime], bool]] = {
    "gte": operator.ge,
    "gt": operator.gt,
    "lte": operator.le,
    "lt": operator.lt,
    "eq": operator.eq,
}


def create_order(call: Call) -> Answer:
    """POST /orders."""
    assigned = bool(call.body.get("assign", False))
    lines = read_lines(call.world, call.body)
    if call.body["type"] == "transaction":
        order = place(
            call.world,
            lines,
            assigned=assigned,
            branding=call.body.get("profileID", ""),
            source_ip=call.source_ip,
            at=call.at,
        )
        return Answer(order_json(call.world, order, with_esims=True))
    total = total_of(lines)
    if call.world.switches.validate_checks_balance:
        check_balance(call.world, total, call.at)
    return Answer(
        {
            "order": [_line_json(line) for line in lines],
            "total": total,
            "valid": True,
            "currency": call.world.settings.currency,
            "createdDate": _nanoseconds(call.at, 0),
            "assigned": assigned,
        }
    )


def get_order(call: Call) -> Answer:
    """GET /orders/{orderReference}."""
    order = call.world.orders.get(call.path["orderReference"])
    if order is None:
        raise bad("no order has that reference")
    return Answer(order_json(call.world, order, with_esims=True))


def list_orders(call: Call) -> Answer:
    """GET /orders, newest first."""
    switches = call.world.switches
    conditions = [_condition(text) for text in call.query.get("createdAt", ())]
    found = [
        order
        for order in reversed(call.world.orders)
        if all(compare(order.created_at, moment) for compare, moment in conditions)
    ]
    size = min(call.query.get("limit", switches.orders_page_size), switches.orders_page_most)
    rows, pages = page_of(found, call.query.get("page", 1), size)
    with_esims = call.query.get("includeIccids", False)
    content = [order_json(call.world, order, with_esims=with_esims) for order in rows]
    if switches.orders_shape == "array":
        return Answer(content)
    return Answer({"orders": content, "pageCount": pages, "rows": len(found), "pageSize": size})


def _condition(text: str) -> tuple[Callable[[datetime, datetime], bool], datetime]:
    name, _, moment = text.partition(":")
    if name not in COMPARISONS:
        raise bad(
            f"createdAt supports {', '.join(COMPARISONS)} and a time: gte:2026-03-01T00:00:00Z"
        )
    try:
        return COMPARISONS[name], read_instant(moment)
    except ValueError as error:
        raise bad(f"createdAt: {error}") from error


def order_json(world: World, order: Order, *, with_esims: bool) -> dict[str, Any]:
    """Return an order in the provider's format."""
    content = {
        "order": [
            _row_json(world, order, line, place_, with_esims=with_esims)
            for place_, line in enumerate(order.lines)
        ],
        "total": order.total,
        "currency": order.currency,
        "status": order.status,
        "statusMessage": order.message,
        "orderReference": order.reference,
        "createdDate": _nanoseconds(order.created_at, order.nanoseconds),
        "assigned": order.assigned,
        "sourceIP": order.source_ip,
        "runningBalance": amount_text(order.balance_after),
    }
    if order.lines[0].type == "bundleAssignment":
        del content["runningBalance"], content["sourceIP"]
    return content


def _row_json(
    world: World, order: Order, line: Line, place_: int, *, with_esims: bool
) -> dict[str, Any]:
    if line.type == "bundleAssignment":
        content: dict[str, Any] = {
            "type": line.type,
            "item": f"{order.reference}-{place_}",
            "quantity": 0,
            "pricePerUnit": Decimal(),
        }
    else:
        content = _line_json(line)
    if line.invoice is not None:
        content["invoiceLink"] = line.invoice
        del content["AllowReassign"]
        return content
    empty = not line.iccids and world.switches.unassigned_arrays == "absent"
    if with_esims and not empty:
        content["esims"] = [_esim_json(world, iccid) for iccid in line.iccids]
        content["iccids"] = list(line.iccids)
    return content


def _line_json(line: Line) -> dict[str, Any]:
    return {
        "type": line.type,
        "item": line.item,
        "quantity": line.quantity,
        "subTotal": line.total,
        "pricePerUnit": line.price,
        "AllowReassign": line.reassign,
    }


def _esim_json(world: World, iccid: str) -> dict[str, str]:
    esim = world.esims.get(iccid)
    if esim is None:  # deleted after the order
        return {"iccid": iccid}
    return {
        "iccid": iccid,
        "matchingId": esim.matching_id,
        "smdpAddress": smdp_address_of(world, esim),
    }


def smdp_address_of(world: World, esim: Esim) -> str:
    """Return the SM-DP+ address, with a scheme if the switch smdp_scheme is on."""
    return f"http://{esim.smdp_host}" if world.switches.smdp_scheme else esim.smdp_host


def _nanoseconds(moment: datetime, last_digits: int) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%f}{last_digits:03d}Z"
