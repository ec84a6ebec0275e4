"""Contract of the catalogue and networks."""

from sandbox.contract.operation import BUNDLE_NAME, Operation, Parameter, failing, ok
from sandbox.contract.schema import (
    Schema,
    choice,
    flag,
    listing,
    number,
    one_of,
    record,
    ref,
    text,
    whole,
)

_BUNDLE: dict[str, Schema] = {
    "name": text("Unique name of the bundle; case-sensitive."),
    "description": text(),
    "countries": listing(ref("Country")),
    "dataAmount": number("MB, base 10; see the switch unlimited_data_amount."),
    "duration": whole("Days."),
    "speed": listing(text()),
    "autostart": flag(),
    "unlimited": flag(),
    "roamingEnabled": listing(ref("Country")),
    "price": number("Price of one, in the organisation's currency."),
    "billingType": choice("FixedCost"),
    "profileName": text("Operator profile: only eSIMs with the same profile accept the bundle."),
    "allowances": listing(ref("CatalogueAllowance")),
}

_ALLOWANCE_TYPES = choice("DATA", "VOICE", "SMS")
_SERVICES = choice("STANDARD", "ROAMING")
_COUNTRY_NAME = record({"iso": text(), "name": text()})

SCHEMAS: dict[str, Schema] = {
    "Country": record({"name": text(), "region": text(), "iso": text()}),
    "CatalogueAllowance": record(
        {
            "type": _ALLOWANCE_TYPES,
            "service": _SERVICES,
            "description": text(),
            "amount": number(),
            "unit": choice("MB", "SMS", "MINS"),
            "unlimited": flag(),
        }
    ),
    "CatalogueBundle": record({**_BUNDLE, "groups": listing(text())}, ["name"]),
    "BundleCatalogueResponse": record({**_BUNDLE, "group": listing(text())}, ["name"]),
    "CatalogueResponse": listing(ref("CatalogueBundle")),
    "CataloguePage": record(
        {
            "bundles": listing(ref("CatalogueBundle")),
            "pageCount": whole(),
            "rows": whole("Number of bundles on all pages."),
            "pageSize": whole(),
        },
        ["bundles"],
    ),
    "CatalogueCountry": _COUNTRY_NAME,
    "CataloguePrice": record(
        {
            "id": text(format="uuid"),
            "price": text("Decimal, per GB."),
            "currency": text(),
            "profile": text(),
            "country": ref("CatalogueCountry"),
        }
    ),
    "CataloguePricesByCountry": record(
        {"country": ref("CatalogueCountry"), "prices": listing(ref("CataloguePrice"))}
    ),
    "CataloguePricesResponse": record(
        {
            "hash": text("Changes whenever a price changes."),
            "prices": listing(ref("CataloguePricesByCountry")),
        }
    ),
    "NetworkResponse": record(
        {
            "countryNetworks": listing(
                record(
                    {
                        "name": text(),
                        "networks": listing(
                            record(
                                {
                                    "name": text(),
                                    "brandName": text(),
                                    "mcc": text(),
                                    "mnc": text(),
                                    "tagid": text("TADIG code."),
                                    "speed": listing(text()),
                                    "speeds": listing(text("Not sent by this sandbox.")),
                                }
                            )
                        ),
                    }
                )
            )
        },
        ["countryNetworks"],
    ),
}

OPERATIONS = (
    Operation(
        "listCatalogue",
        "GET",
        "/catalogue",
        "Catalogue",
        "Bundles on sale",
        {200: ok(one_of(ref("CataloguePage"), ref("CatalogueResponse"))), **failing(503)},
        parameters=(
            Parameter("page", whole(minimum=1), description="Starts at 1."),
            Parameter("perPage", whole(minimum=1), description="Capped silently."),
            Parameter("direction", choice("asc", "desc")),
            Parameter(
                "orderBy",
                text(),
                description="Sort order: name, description, price, duration or dataAmount.",
            ),
            Parameter(
                "description", text(), description="Substring to search for; * and % are wildcards."
            ),
            Parameter("group", text(), description="Exact name of a group."),
            Parameter(
                "countries",
                text(),
                description="ISO codes separated by commas; bundles that cover any of them match.",
            ),
            Parameter("region", text()),
        ),
    ),
    Operation(
        "getBundle",
        "GET",
        "/catalogue/bundle/{name}",
        "Catalogue",
        "One bundle",
        {200: ok(ref("BundleCatalogueResponse")), **failing(503)},
        parameters=(BUNDLE_NAME,),
    ),
    Operation(
        "listPrices",
        "GET",
        "/catalogue/prices",
        "Catalogue",
        "Prices per GB for consumption billing; 403 for other organisations",
        {200: ok(ref("CataloguePricesResponse")), **failing()},
    ),
    Operation(
        "listNetworks",
        "GET",
        "/networks",
        "Networks",
        "Networks by country; all if no filter is given",
        {200: ok(ref("NetworkResponse")), **failing(503)},
        parameters=(
            Parameter("countries", text(), description="Country names separated by commas."),
            Parameter("isos", text(), description="ISO codes separated by commas."),
            Parameter("returnAll", flag()),
        ),
    ),
)
