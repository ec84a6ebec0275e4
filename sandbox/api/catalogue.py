"""Handlers for the catalogue, prices and networks."""

import re
from collections import defaultdict
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sandbox.api.call import Answer, Call
from sandbox.state.catalogue import ORDERS, page_of
from sandbox.state.exact import amount_text
from sandbox.state.own_catalogue import SPEEDS
from sandbox.state.places import Country, networks_of, read_places
from sandbox.state.refusal import Refusal, bad


def list_catalogue(call: Call) -> Answer:
    """GET /catalogue."""
    switches = call.world.switches
    order_by = call.query.get("orderBy", "name")
    if order_by not in ORDERS:
        raise bad(f"orderBy must be one of {', '.join(ORDERS)}")
    found = call.world.catalogue.find(
        call.query, order_by, descending=call.query.get("direction") == "desc"
    )
    size = min(
        call.query.get("perPage", switches.catalogue_page_size), switches.catalogue_page_most
    )
    bundles, pages = page_of(found, call.query.get("page", 1), size)
    content = [bundle.to_json(switches.unlimited_data_amount) for bundle in bundles]
    if switches.catalogue_shape == "array":
        return Answer(content)
    return Answer({"bundles": content, "pageCount": pages, "rows": len(found), "pageSize": size})


def get_bundle(call: Call) -> Answer:
    """GET /catalogue/bundle/{name}."""
    bundle = call.world.catalogue.get(call.path["name"])
    if bundle is None:
        raise bad(f"bundle {call.path['name']!r} is not in the catalogue; names are case-sensitive")
    return Answer(bundle.to_json(call.world.switches.unlimited_data_amount, groups_key="group"))


def list_prices(call: Call) -> Answer:
    """GET /catalogue/prices: the lowest price of a GB for each profile and country."""
    if not call.world.switches.consumption_billing:
        raise Refusal(403, "consumption billing is not enabled for this organisation")
    cheapest: dict[tuple[str, str], dict[str, Decimal]] = defaultdict(dict)
    for bundle in call.world.catalogue.all():
        if bundle.unlimited or bundle.data_mb <= 0 or len(bundle.countries) != 1:
            continue
        place = bundle.countries[0]
        gigabyte = (bundle.price * 1000 / bundle.data_mb).quantize(Decimal("0.01"))
        known = cheapest[place.iso, place.name]
        known[bundle.profile] = min(gigabyte, known.get(bundle.profile, gigabyte))
    rows: list[dict[str, Any]] = []
    for (iso, name), prices in sorted(cheapest.items()):
        country = {"iso": iso, "name": name}
        content = [
            {
                "id": str(uuid5(NAMESPACE_URL, f"{iso}/{profile}")),
                "price": amount_text(price),
                "currency": call.world.settings.currency,
                "profile": profile,
                "country": country,
            }
            for profile, price in sorted(prices.items())
        ]
        rows.append({"country": country, "prices": content})
    return Answer({"hash": sha256(repr(rows).encode()).hexdigest(), "prices": rows})


def list_networks(call: Call) -> Answer:
    """GET /networks."""
    countries, _ = read_places()
    wanted = _words(call.query.get("isos", "")) | _words(call.query.get("countries", ""))
    everything = call.query.get("returnAll", False) or not wanted
    content = [
        {"name": country.name, "networks": _networks(country)}
        for country in countries.values()
        if everything or country.iso.casefold() in wanted or country.name.casefold() in wanted
    ]
    return Answer({"countryNetworks": content})


def _words(text: str) -> set[str]:
    return {word.casefold() for word in re.split(r"\s*,\s*", text.strip()) if word}


def _networks(country: Country) -> list[dict[str, Any]]:
    return [
        {
            "name": network.name,
            "brandName": network.brand,
            "mcc": network.mcc,
            "mnc": network.mnc,
            "tagid": network.tadig,
            "speed": list(SPEEDS),
        }
        for network in networks_of(country)
    ]
