"""Handlers for the organisation, its balance and its inventory."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

from sandbox.api.call import Answer, Call
from sandbox.state import topups
from sandbox.state.records import Lot
from sandbox.state.stock import refund_lot
from sandbox.state.world import World


def get_organisation(call: Call) -> Answer:
    """GET /organisation."""
    world = call.world
    return Answer(
        {
            "name": "Sandbox Travel Ltd",
            "apiKey": world.settings.api_key,
            "taxLiable": "Yes",
            "addr1": "1 Sandbox Street",
            "addr2": "",
            "city": "London",
            "country": "GB",
            "postcode": "SB1 1SB",
            "callbackUrl": world.account.callback_url,
            "notes": "",
            "groups": world.catalogue.groups(),
            "currency": world.settings.currency,
            "balance": world.account.balance,
            "testCredit": 0,
            "testCreditExpiry": f"{call.at + timedelta(days=365):%Y-%m-%d}",
            "businessType": "Travel",
            "website": "https://travel.sandbox.example",
            "productDescription": "Travel data",
            "users": [
                {
                    "firstName": "Sam",
                    "lastName": "Sandbox",
                    "role": "Owner",
                    "emailAddress": "owner@sandbox.example",
                    "phoneNumber": "+44 20 7946 0001",
                    "timeZone": "Europe/London",
                }
            ],
        }
    )


def topup_balance(call: Call) -> Answer:
    """POST /organisation/balance."""
    world, amount = call.world, Decimal(call.query["amount"])
    reference = topups.by_api(world, amount, call.source_ip, call.at)
    return Answer({"amount": amount, "balance": world.account.balance, "ref": reference})


def list_groups(call: Call) -> Answer:
    """GET /organisation/groups."""
    return Answer({"groups": [{"name": name} for name in call.world.catalogue.groups()]})


def get_inventory(call: Call) -> Answer:
    """GET /inventory."""
    lots: dict[str, list[Lot]] = defaultdict(list)
    for lot in call.world.lots:
        if lot.remaining > 0 and lot.expires_at > call.at:
            lots[lot.bundle].append(lot)
    return Answer({"bundles": [_stocked(call.world, name, lots[name]) for name in sorted(lots)]})


def _stocked(world: World, name: str, lots: list[Lot]) -> dict[str, Any]:
    content: dict[str, Any] = {
        "name": name,
        "available": [
            {
                "id": lot.usage_id,
                "total": lot.total,
                "remaining": lot.remaining,
                "expiry": f"{lot.expires_at:%Y-%m-%d}",
            }
            for lot in lots
        ],
    }
    bundle = world.catalogue.known(name)
    if bundle is None:  # the sandbox was restarted with another catalogue
        return content
    megabytes = world.switches.unlimited_data_amount
    return content | {
        "desc": bundle.description,
        "useDms": False,
        "countries": [place.iso for place in bundle.countries],
        "data": megabytes if bundle.unlimited else bundle.data_mb,
        "duration": bundle.duration,
        "durationUnit": "day",
        "autostart": bundle.autostart,
        "unlimited": bundle.unlimited,
        "speed": list(bundle.speed),
        "allowances": bundle.allowances_json(megabytes),
    }


def refund_inventory(call: Call) -> Answer:
    """POST /inventory/refund."""
    refund_lot(call.world, int(call.body["usageId"]), int(call.body["quantity"]), call.at)
    return Answer({"status": "Successfully refunded bundles to balance"})
