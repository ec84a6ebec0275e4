"""Translates provider answers to and from the JSON that the cache stores."""

from collections.abc import Mapping
from typing import Any

from kit.values import timestamps
from services.esims.provider_esim import Details, HistoryEntry, Location, read_location


def dump_location(location: Location) -> Mapping[str, Any]:
    return {
        "mobileNetworkCode": location.network_code,
        "networkName": location.network_name,
        "networkBrandName": location.network_brand_name,
        "country": location.country,
        "lastSeen": location.last_seen.isoformat() if location.last_seen else None,
    }


def parse_location(body: Any) -> Location:
    location = read_location(body)
    if location is None:
        raise ValueError("not a location")
    return location


def dump_history(entries: list[HistoryEntry]) -> list[list[str]]:
    return [[e.name, e.bundle_name, e.date.isoformat(), e.alert_type] for e in entries]


def parse_history(rows: Any) -> list[HistoryEntry]:
    return [
        HistoryEntry(name, bundle, timestamps.from_iso(date), alert)
        for name, bundle, date, alert in rows
    ]


def dump_install(details: Details) -> Mapping[str, Any]:
    return {
        "iccid": details.iccid,
        "state": details.state,
        "profileStatus": details.profile_status,
        "matchingId": details.matching_id,
        "smdpAddress": details.smdp_address,
        "customerRef": details.customer_ref,
        "appleInstallUrl": details.apple_install_url,
        "androidInstallUrl": details.android_install_url,
    }
