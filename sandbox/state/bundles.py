"""Bundles of the catalogue, and their JSON in the provider's format."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

MEGABYTE = 1_000_000  # the provider counts in base 10


class CatalogueError(ValueError):
    """An invalid catalogue; the text names the bundle and the problem."""


@dataclass(frozen=True, slots=True)
class Place:
    """A country of a bundle."""

    name: str
    region: str
    iso: str

    def to_json(self) -> dict[str, str]:
        """Return the JSON in the provider's format."""
        return {"name": self.name, "region": self.region, "iso": self.iso}


@dataclass(frozen=True, slots=True)
class Allowance:
    """An allowance of a bundle; `amount` is in MB, minutes or messages."""

    type: str
    service: str
    description: str
    amount: Decimal
    unit: str
    unlimited: bool


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on sale: `data_mb` in MB, `duration` in days, `price` in the organisation's currency."""

    name: str
    description: str
    groups: tuple[str, ...]
    countries: tuple[Place, ...]
    data_mb: int
    duration: int
    speed: tuple[str, ...]
    autostart: bool
    unlimited: bool
    roaming: tuple[Place, ...]
    price: Decimal
    profile: str
    allowances: tuple[Allowance, ...]

    @property
    def has_number(self) -> bool:
        """True if it includes voice or SMS, so that its eSIM has a phone number."""
        return any(allowance.type in ("VOICE", "SMS") for allowance in self.allowances)

    def priced(self, price: Decimal) -> "Bundle":
        """Return the bundle with another price."""
        return replace(self, price=price)

    def to_json(self, unlimited_mb: int, groups_key: str = "groups") -> dict[str, Any]:
        """Return the JSON in the provider's format; one path names the groups `group`."""
        return {
            "name": self.name,
            "description": self.description,
            groups_key: list(self.groups),
            "countries": [place.to_json() for place in self.countries],
            "dataAmount": unlimited_mb if self.unlimited else self.data_mb,
            "duration": self.duration,
            "speed": list(self.speed),
            "autostart": self.autostart,
            "unlimited": self.unlimited,
            "roamingEnabled": [place.to_json() for place in self.roaming],
            "price": self.price,
            "billingType": "FixedCost",
            "profileName": self.profile,
            "allowances": self.allowances_json(unlimited_mb),
        }

    def allowances_json(self, unlimited_mb: int) -> list[dict[str, Any]]:
        """Return the allowances in the provider's format."""
        return [
            {
                "type": item.type,
                "service": item.service,
                "description": item.description,
                "amount": unlimited_mb if item.unlimited else item.amount,
                "unit": item.unit,
                "unlimited": item.unlimited,
            }
            for item in self.allowances
        ]


def read_bundle(shape: object) -> Bundle:
    """Read a bundle in the provider's format; raise CatalogueError."""
    if not isinstance(shape, Mapping) or not isinstance(shape.get("name"), str):
        raise CatalogueError("every bundle must be an object with a name")
    name = shape["name"]
    try:
        price = Decimal(str(shape["price"]))
        duration = int(shape["duration"])
        data_mb = int(shape.get("dataAmount", 0))
        unlimited = bool(shape.get("unlimited", False))
        bundle = Bundle(
            name=name,
            description=str(shape.get("description", name)),
            groups=tuple(map(str, shape.get("groups", shape.get("group", ())))),
            countries=_places(shape.get("countries", ())),
            data_mb=data_mb,
            duration=duration,
            speed=tuple(map(str, shape.get("speed") or ())),
            autostart=bool(shape.get("autostart", False)),
            unlimited=unlimited,
            roaming=_places(shape.get("roamingEnabled") or ()),
            price=price,
            profile=str(shape.get("profileName", "Profile 1")),
            allowances=_allowances(shape.get("allowances"))
            or (data_allowance(data_mb, unlimited),),
        )
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        words = f"{type(error).__name__} {error}"
        raise CatalogueError(f"bundle {name!r} can't be parsed: {words}") from error
    if not (price.is_finite() and price >= 0 and duration > 0):
        raise CatalogueError(
            f"bundle {name!r} requires a price of 0 or more and a duration in days"
        )
    return bundle


def data_allowance(data_mb: int, unlimited: bool) -> Allowance:
    """Return the allowance that is equivalent to `dataAmount`."""
    words = "Unlimited data" if unlimited else f"{data_mb} MB data"
    return Allowance("DATA", "STANDARD", words, Decimal(data_mb), "MB", unlimited)


def read_catalogue(file: Path) -> list[Bundle]:
    """Read the bundles of a file: an array, or an object with `bundles`. Raises CatalogueError."""
    try:
        read = json.loads(file.read_bytes(), parse_float=Decimal)
    except (OSError, ValueError) as error:
        raise CatalogueError(f"the catalogue {file} can't be read: {error}") from error
    shapes = read.get("bundles") if isinstance(read, Mapping) else read
    if not isinstance(shapes, list):
        raise CatalogueError(f"the catalogue {file} is neither an array nor an object with bundles")
    return [read_bundle(shape) for shape in shapes]


def _places(shapes: Any) -> tuple[Place, ...]:
    return tuple(
        Place(str(shape["name"]), str(shape.get("region", "")), str(shape["iso"]))
        for shape in shapes
    )


def _allowances(shapes: Any) -> tuple[Allowance, ...]:
    return tuple(
        Allowance(
            type=str(shape["type"]),
            service=str(shape.get("service", "STANDARD")),
            description=str(shape.get("description", "")),
            amount=Decimal(str(shape["amount"])),
            unit=str(shape["unit"]),
            unlimited=bool(shape.get("unlimited", False)),
        )
        for shape in shapes or ()
    )
