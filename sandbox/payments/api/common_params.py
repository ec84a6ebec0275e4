"""Parameters that several operations share."""

from sandbox.payments.api.params import Group, Kind, Many, Metadata, Removed, Text

METADATA: Kind = Metadata()
ADDRESS: Kind = Group(
    {
        name: Text(clearable=True)
        for name in ("city", "country", "line1", "line2", "postal_code", "state")
    },
    clearable=True,
)
SHIPPING: Kind = Group(
    {
        "address": ADDRESS,
        "name": Text(),
        "phone": Text(clearable=True),
        "carrier": Text(),
        "tracking_number": Text(),
    },
    clearable=True,
)
BILLING_DETAILS: Kind = Group(
    {
        "address": ADDRESS,
        "email": Text(clearable=True),
        "name": Text(clearable=True),
        "phone": Text(clearable=True),
    }
)
FUTURE_USAGE: Kind = Text(choices=("off_session", "on_session"), clearable=True)
# Stripe's limit for the text after the merchant's prefix on the statement of a card.
SUFFIX: Kind = Text(longest=22, clearable=True)
METHOD_TYPES: Kind = Many(Text(), clearable=True)
REMOVED_METHOD_TYPES: Kind = Removed(
    "payment_method_types_no_longer_supported",
    "The payment_method_types parameter is no longer supported. Use allowed_payment_method_types or "
    "excluded_payment_method_types instead.",
)
METHOD_OPTIONS: Kind = Group(
    {
        "card": Group(
            {
                "capture_method": Text(choices=("manual",), clearable=True),
                "request_three_d_secure": Text(choices=("any", "automatic", "challenge")),
                "setup_future_usage": Text(
                    choices=("none", "off_session", "on_session"), clearable=True
                ),
                "request_extended_authorization": Text(choices=("if_available", "never")),
                "request_incremental_authorization": Text(choices=("if_available", "never")),
                "request_multicapture": Text(choices=("if_available", "never")),
                "request_overcapture": Text(choices=("if_available", "never")),
                "statement_descriptor_suffix_kana": Text(clearable=True),
                "statement_descriptor_suffix_kanji": Text(clearable=True),
            },
            clearable=True,
        ),
        "link": Group(
            {"capture_method": Text(choices=("manual",), clearable=True)}, clearable=True
        ),
    }
)
