"""Assignments of bundles, as the provider lists them."""

from typing import Any

from services.esims.provider_bundle import read_assignments


def assignment(**fields: Any) -> dict[str, Any]:
    """Return an assignment with these fields; `...` leaves one out."""
    known = {
        "id": "215",
        "bundleState": "queued",
        "initialQuantity": 1_000_000_000,
        "remainingQuantity": 400_000_000,
        "unlimited": False,
    }
    return {name: value for name, value in (known | fields).items() if value is not ...}


def read(**fields: Any) -> Any:
    """Read such an assignment."""
    (found,) = read_assignments({"assignments": [assignment(**fields)]}, "bundle")
    return found
