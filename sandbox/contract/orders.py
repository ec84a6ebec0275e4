"""Contract of orders, inventory and organisation."""

from sandbox.contract.operation import (
    FAILURES,
    JSON,
    MESSAGE,
    PLAIN,
    Operation,
    Parameter,
    Reply,
    failing,
    in_path,
    ok,
)
from sandbox.contract.schema import (
    Schema,
    choice,
    flag,
    listing,
    moment,
    number,
    one_of,
    record,
    ref,
    text,
    whole,
)

_LINE: dict[str, Schema] = {
    "type": text("bundle for purchases; bundleAssignment, topup, apiTopup, autoTopup otherwise."),
    "item": text(),
    "quantity": whole(),
    "subTotal": number(),
    "pricePerUnit": number(),
    "AllowReassign": flag(),
}

SCHEMAS: dict[str, Schema] = {
    "BundleOrder": record(
        {
            "type": choice("bundle"),
            "quantity": whole("Must equal the number of iccids, if there are any.", minimum=1),
            "item": text("Bundle name."),
            "iccids": listing(text(), "Only with assign: true."),
            "allowReassign": flag("Issue a new eSIM if the bundle is incompatible with the eSIM."),
        },
        ["type", "quantity", "item"],
    ),
    "OrderRequest": record(
        {
            "type": choice("validate", "transaction"),
            "assign": flag("Defaults to false: the bundles go to the inventory."),
            "order": listing(ref("BundleOrder"), minItems=1),
            "profileID": text("Branding; only with assign: true."),
        },
        ["type", "order"],
    ),
    "OrderItemValidate": record(_LINE),
    "OrderESIM": record({"iccid": text(), "matchingId": text(), "smdpAddress": text()}),
    "OrderItem": record(
        {
            **_LINE,
            "esims": listing(ref("OrderESIM")),
            "iccids": listing(text()),
            "invoiceLink": text("Only for top-ups."),
        }
    ),
    "OrderResponseValidate": record(
        {
            "order": listing(ref("OrderItemValidate")),
            "total": number(),
            "valid": flag(),
            "currency": text(),
            "createdDate": moment(),
            "assigned": flag("The `assign` of the request."),
        },
        ["order", "valid"],
    ),
    "OrderResponseTransaction": record(
        {
            "order": listing(ref("OrderItem")),
            "total": number(),
            "currency": text(),
            "status": text(
                "completed, or the value of the switch async_status while it is processed."
            ),
            "statusMessage": text(),
            "orderReference": text(),
            "createdDate": moment("Nanoseconds."),
            "assigned": flag(),
            "sourceIP": text(),
            "runningBalance": text("Balance after the order, as a string."),
        },
        ["order", "orderReference"],
    ),
    "OrderTransactionList": listing(ref("OrderResponseTransaction")),
    "OrderTransactionPage": record(
        {
            "orders": listing(ref("OrderResponseTransaction")),
            "pageCount": whole(),
            "rows": whole(),
            "pageSize": whole(),
        },
        ["orders", "pageCount", "rows", "pageSize"],
        "Only with the switch orders_shape=object.",
    ),
    "InventoryResponse": record(
        {
            "bundles": listing(
                record(
                    {
                        "name": text(),
                        "desc": text(),
                        "useDms": flag(),
                        "available": listing(
                            record(
                                {
                                    "id": whole("usageId of a refund."),
                                    "total": whole(),
                                    "remaining": whole(),
                                    "expiry": text("Date."),
                                }
                            )
                        ),
                        "countries": listing(text("ISO code.")),
                        "data": number("MB."),
                        "duration": whole(),
                        "durationUnit": choice("day", "month"),
                        "autostart": flag(),
                        "unlimited": flag(),
                        "speed": listing(text(), nullable=True),
                        "allowances": listing(
                            record(
                                {
                                    "type": text(),
                                    "service": text(),
                                    "description": text(),
                                    "amount": number(),
                                    "unit": text(),
                                    "unlimited": flag(),
                                }
                            )
                        ),
                    }
                )
            )
        },
        ["bundles"],
    ),
    "RefundInventoryItem": record(
        {"usageId": whole(), "quantity": whole(minimum=1)}, ["usageId", "quantity"]
    ),
    "TopupResponse": record({"amount": number(), "balance": number(), "ref": whole()}),
    "OrganisationResponse": record(
        {
            "name": text(),
            "apiKey": text("The API key itself: never log this response."),
            "taxLiable": text(),
            "addr1": text(),
            "addr2": text(),
            "city": text(),
            "country": text(),
            "postcode": text(),
            "callbackUrl": text(),
            "notes": text(),
            "groups": listing(text()),
            "currency": text(),
            "balance": number(),
            "testCredit": number(),
            "testCreditExpiry": text(format="date"),
            "businessType": text(),
            "website": text(),
            "productDescription": text(),
            "users": listing(
                record(
                    {
                        "firstName": text(),
                        "lastName": text(),
                        "role": text(),
                        "emailAddress": text(),
                        "phoneNumber": text(),
                        "timeZone": text(),
                    }
                )
            ),
        }
    ),
    "BundleGroup": record(
        {
            "name": text(),
            "priceListUrl": text(format="uri"),
            "desc": text(),
            "icon": text(format="uri"),
        },
        ["name"],
    ),
    "BundleGroupList": record({"groups": listing(ref("BundleGroup"))}, ["groups"]),
}

_TEXT_OR_JSON = {JSON: MESSAGE, PLAIN: text()}

OPERATIONS = (
    Operation(
        "listOrders",
        "GET",
        "/orders",
        "Orders",
        "Orders, newest first",
        {
            200: ok(
                one_of(
                    ref("OrderTransactionList"),
                    ref("OrderResponseTransaction"),
                    ref("OrderTransactionPage"),
                )
            ),
            **failing(503),
        },
        parameters=(
            Parameter("includeIccids", flag(), description="Add esims and iccids to the rows."),
            Parameter("page", whole(minimum=1), description="Starts at 1."),
            Parameter("limit", whole(minimum=1), description="Capped silently."),
            Parameter(
                "createdAt",
                listing(text()),
                description="gte:, gt:, lte:, lt: or eq: followed by a time; twice for a range.",
            ),
        ),
    ),
    Operation(
        "createOrder",
        "POST",
        "/orders",
        "Orders",
        "Validate or place an order; placing it is not idempotent",
        {
            200: ok(one_of(ref("OrderResponseValidate"), ref("OrderResponseTransaction"))),
            **failing(402),
            400: Reply(FAILURES[400].description, _TEXT_OR_JSON),
            401: Reply(FAILURES[401].description, _TEXT_OR_JSON),
            503: Reply(FAILURES[503].description, _TEXT_OR_JSON, retry_after=True),
        },
        body=ref("OrderRequest"),
    ),
    Operation(
        "getOrder",
        "GET",
        "/orders/{orderReference}",
        "Orders",
        "One order with its eSIMs",
        {200: ok(ref("OrderResponseTransaction")), **failing(503)},
        parameters=(in_path("orderReference"),),
    ),
    Operation(
        "getInventory",
        "GET",
        "/inventory",
        "Inventory",
        "Bundles that were bought but not assigned",
        {200: ok(ref("InventoryResponse")), **failing(503)},
    ),
    Operation(
        "refundInventory",
        "POST",
        "/inventory/refund",
        "Inventory",
        "Refund bundles of the inventory to the balance",
        {200: ok(ref("StatusMessage")), **failing(503)},
        body=ref("RefundInventoryItem"),
    ),
    Operation(
        "getOrganisation",
        "GET",
        "/organisation",
        "Organisation",
        "The organisation with its balance and users",
        {200: ok(ref("OrganisationResponse")), **failing(503)},
    ),
    Operation(
        "topupBalance",
        "POST",
        "/organisation/balance",
        "Organisation",
        "Charge the card on file",
        {200: ok(ref("TopupResponse")), **failing(503)},
        parameters=(
            Parameter(
                "amount", number(), required=True, description="From 1000; at most 5000 per day."
            ),
        ),
    ),
    Operation(
        "listGroups",
        "GET",
        "/organisation/groups",
        "Organisation",
        "Groups of bundles that the organisation may buy",
        {200: ok(ref("BundleGroupList")), **failing(503)},
    ),
)
