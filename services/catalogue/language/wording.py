"""Texts of plans for a shop: the title, the fair use policy and the features."""

import re
from dataclasses import dataclass
from decimal import Decimal

from services.catalogue.language import cldr
from services.catalogue.language.locales import ENGLISH
from services.catalogue.plan import Allowance, Bundle

# The end of the group names of unlimited plans.
UNLIMITED_GROUP = re.compile(r"\bunlimited (lite|essential|plus)$", re.IGNORECASE)
# A title with more countries names their region instead.
MAX_NAMED = 2
MB_PER_GB = 1000


@dataclass(frozen=True, slots=True)
class FairUse:
    """A fair use policy: full speed for an amount of data in every 24 hours, a lower speed after it."""

    daily_mb: int
    throttle_kbps: int

    @property
    def text(self) -> str:
        """The policy as a text for the list of features."""
        kbps = Decimal(self.throttle_kbps)
        speed = f"{kbps} kbps" if kbps < 1000 else f"{_decimal(kbps / 1000)} Mbps"
        return f"Throttled to {speed} after {self.daily_mb // MB_PER_GB}GB a day"


# As the provider documents them for its groups.
FAIR_USE = {
    "lite": FairUse(1000, 512),
    "essential": FairUse(1000, 1250),
    "plus": FairUse(2000, 2000),
}


def fair_use(bundle: Bundle) -> FairUse | None:
    """Return the fair use policy of an unlimited plan; None unless its groups imply exactly one."""
    if not bundle.unlimited:
        return None
    stated = {
        FAIR_USE[named[1].lower()]
        for group in bundle.groups
        if (named := UNLIMITED_GROUP.search(group))
    }
    return stated.pop() if len(stated) == 1 else None


def title(bundle: Bundle, language: str = ENGLISH) -> str:
    """Return a plan's name for people: "France, 1 GB, 7 days", "Europe, unlimited, 30 days" or, in German,
    "Frankreich, 1 GB, 7 Tage".

    `language` is one of `cldr.LANGUAGES`. What a plan without data includes instead is in English.
    """
    if language == ENGLISH:
        days = f"{bundle.duration_days} day{'s' if bundle.duration_days > 1 else ''}"
    else:
        days = cldr.days(bundle.duration_days, language)
    text = ", ".join(
        part for part in (_place(bundle, language), _amount(bundle, language), days) if part
    )
    # CLDR writes some names for use within a sentence.
    return text if language == ENGLISH else text[:1].upper() + text[1:]


def _place(bundle: Bundle, language: str) -> str:
    """Return the names of one or two countries, else the region; empty if none is known."""
    if len(bundle.countries) > MAX_NAMED:
        return cldr.region_name(bundle.region, language)
    names = [cldr.country_name(each.iso, each.name, language) for each in bundle.countries]
    return " and ".join(names) if language == ENGLISH else cldr.joined(names, language)


def _amount(bundle: Bundle, language: str) -> str:
    """Return the amount of data; for a plan without data, what it includes instead."""
    if bundle.unlimited:
        return "unlimited" if language == ENGLISH else cldr.unlimited(language)
    if bundle.data_mb:
        gigabytes = bundle.data_mb >= MB_PER_GB
        amount = Decimal(bundle.data_mb) / (MB_PER_GB if gigabytes else 1)
        if language != ENGLISH:
            return cldr.data(amount, gigabytes=gigabytes, language=language)
        return f"{_decimal(amount)} {'GB' if gigabytes else 'MB'}"
    return ", ".join(text for allowance in bundle.allowances if (text := _beyond_data(allowance)))


def _decimal(number: Decimal) -> str:
    """Format a number without an exponent and trailing zeros."""
    return f"{number.normalize():f}"


def features(bundle: Bundle) -> list[str]:
    """Return short feature texts; they claim only what the provider's documentation supports."""
    found = []
    if bundle.speeds:
        found.append(max(bundle.speeds))  # "2G" to "5G" sort by generation
    if bundle.unlimited:
        found.append("Unlimited data")
        found.extend([limit.text] if (limit := fair_use(bundle)) else [])
    found.extend(text for allowance in bundle.allowances if (text := _beyond_data(allowance)))
    if len(bundle.countries) > 1:
        found.append(f"Works in {len(bundle.countries)} countries")
    if not bundle.autostart:
        found.append("Starts at first use")
    return found


def _beyond_data(allowance: Allowance) -> str:
    unit = {"VOICE": "minutes", "SMS": "SMS"}.get(allowance.type)
    if unit is None:
        return ""
    amount = "Unlimited" if allowance.unlimited else str(allowance.amount)
    return f"{amount} {unit}" + (" abroad" if allowance.service == "ROAMING" else "")
