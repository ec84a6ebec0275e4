"""The sandbox's built-in catalogue: about 2,000 bundles, computed from the places and a few tables."""

from decimal import ROUND_HALF_UP, Decimal
from functools import cache

from sandbox.state.bundles import Allowance, Bundle, Place, data_allowance
from sandbox.state.places import Area, read_places

SPEEDS = ("2G", "3G", "4G", "5G")

# size in GB, days, price in multiples of one GB: larger ones are cheaper per GB
_FIXED = (
    (1, 7, "1.30"),
    (2, 15, "2.40"),
    (3, 30, "3.45"),
    (5, 30, "5.40"),
    (10, 30, "9.95"),
    (20, 30, "18.20"),
    (50, 30, "41.00"),
    (100, 30, "74.50"),
)
_LONG = ((20, 60, "19.475"), (50, 90, "43.815"), (100, 90, "79.365"), (100, 180, "86.125"))
# size in the name, group, price of one day in multiples of one GB
_UNLIMITED = (
    ("UL", "Standard Unlimited Lite", "1.95"),
    ("ULE", "Standard Unlimited Essential", "2.60"),
    ("ULP", "Standard Unlimited Plus", "3.55"),
)
_UNLIMITED_DAYS = (
    (1, "1"),
    (3, "2.7"),
    (5, "4.2"),
    (7, "5.5"),
    (10, "7.4"),
    (15, "10.2"),
    (30, "17"),
)
# Areas without 100GB, which would be too expensive, and without unlimited, as at the provider.
_DEAREST_100GB = Decimal("1.80")
_DEAREST_UNLIMITED = Decimal("2.50")
# Areas with bundles that include minutes and messages, and a day bundle with autostart.
_WITH_NUMBER = ("GB", "US", "FR", "DE", "ES", "IT")


@cache
def own_catalogue() -> tuple[Bundle, ...]:
    """Return all bundles, sorted by name; immutable, so all sandboxes of a process share them."""
    _, areas = read_places()
    bundles = [bundle for area in areas for bundle in _of_area(area)]
    return tuple(sorted(bundles, key=lambda bundle: bundle.name))


def _of_area(area: Area) -> list[Bundle]:
    sold = [
        _fixed(area, gigabytes, days, multiple, "Standard Fixed", "0.01")
        for gigabytes, days, multiple in _FIXED
        if gigabytes < 100 or area.gigabyte <= _DEAREST_100GB
    ]
    if len(area.countries) > 1:
        sold += [
            _fixed(area, gigabytes, days, multiple, "Standard Long Duration", "0.001")
            for gigabytes, days, multiple in _LONG
        ]
    if area.gigabyte <= _DEAREST_UNLIMITED:
        sold += [
            _unlimited(area, size, group, days, Decimal(day_price) * Decimal(multiple))
            for size, group, day_price in _UNLIMITED
            for days, multiple in _UNLIMITED_DAYS
        ]
    if area.code in _WITH_NUMBER:
        sold += [_with_number(area), _day(area)]
    return sold


def _fixed(
    area: Area, gigabytes: int, days: int, multiple: str, group: str, exact_to: str
) -> Bundle:
    megabytes = gigabytes * 1000
    return _bundle(
        area,
        name=f"esim_{gigabytes}GB_{days}D_{area.code}_V2",
        words=f"{gigabytes}GB, {_days(days)}, {area.name}, V2",
        group=group,
        data_mb=megabytes,
        days=days,
        price=_rounded(area.gigabyte * Decimal(multiple), exact_to),
        allowances=(data_allowance(megabytes, unlimited=False),),
    )


def _unlimited(area: Area, size: str, group: str, days: int, multiple: Decimal) -> Bundle:
    return _bundle(
        area,
        name=f"esim_{size}_{days}D_{area.code}_V2",
        words=f"Unlimited, {_days(days)}, {area.name}, V2",
        group=group,
        data_mb=-1,
        days=days,
        price=_rounded(area.gigabyte * multiple, "0.01"),
        allowances=(data_allowance(-1, unlimited=True),),
    )


def _with_number(area: Area) -> Bundle:
    return _bundle(
        area,
        name=f"esim_5GB_30D_{area.code}_V3",
        words=f"5GB, 100 Minutes, 100 SMS, 30 Days, {area.name}, V3",
        group="Standard Fixed",
        data_mb=5000,
        days=30,
        price=_rounded(area.gigabyte * 8, "0.01"),
        allowances=(
            data_allowance(5000, unlimited=False),
            Allowance("VOICE", "STANDARD", "100 minutes", Decimal(100), "MINS", unlimited=False),
            Allowance("SMS", "STANDARD", "100 SMS", Decimal(100), "SMS", unlimited=False),
        ),
    )


def _day(area: Area) -> Bundle:
    return _bundle(
        area,
        name=f"esim_1GB_1D_{area.code}_V3",
        words=f"1GB, 1 Day, {area.name}, V3",
        group="Standard Fixed",
        data_mb=1000,
        days=1,
        price=_rounded(area.gigabyte, "0.01"),
        allowances=(data_allowance(1000, unlimited=False),),
        autostart=True,
    )


def _bundle(
    area: Area,
    *,
    name: str,
    words: str,
    group: str,
    data_mb: int,
    days: int,
    price: Decimal,
    allowances: tuple[Allowance, ...],
    autostart: bool = False,
) -> Bundle:
    return Bundle(
        name=name,
        description=f"eSIM, {words}",
        groups=(group,),
        countries=tuple(Place(item.name, item.region, item.iso) for item in area.countries),
        data_mb=data_mb,
        duration=days,
        speed=SPEEDS,
        autostart=autostart,
        unlimited=data_mb < 0,
        roaming=(),
        price=price,
        profile=area.profile,
        allowances=allowances,
    )


def _days(count: int) -> str:
    return "1 Day" if count == 1 else f"{count} Days"


def _rounded(price: Decimal, exact_to: str) -> Decimal:
    return price.quantize(Decimal(exact_to), rounding=ROUND_HALF_UP)
