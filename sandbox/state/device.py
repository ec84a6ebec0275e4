"""Actions of the phone with an eSIM: install, attach, travel, use data."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.state import callbacks
from sandbox.state.lifecycle import (
    active,
    active_again,
    finish,
    next_queued,
    note,
    start,
    start_if_attached,
)
from sandbox.state.places import read_places
from sandbox.state.records import Assignment, Esim, Visit
from sandbox.state.refusal import Refusal
from sandbox.state.world import World

# Percentages of a bundle's data at which Utilisation is sent.
UTILISATION_STEPS = (1, 50, 80, 100)
# Time within which a country is not reported again.
COUNTRY_TOLD = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Served:
    """Bytes charged to a bundle, and its resulting state."""

    assignment: str
    bundle: str
    bytes: int
    remaining: int
    state: str


def install(world: World, esim: Esim, at: datetime) -> None:
    """Download and install the profile on a phone."""
    _must_live(esim)
    if esim.profile_status == "Installed":
        return
    if esim.profile_status == "Unavailable":
        raise Refusal(409, "The profile is Unavailable and can't be installed: issue another eSIM.")
    esim.first_installed = esim.first_installed or at
    for status in ("Downloaded", "Installed"):
        esim.profile_status = status
        callbacks.profile_status(world, esim, at)


def remove(world: World, esim: Esim, at: datetime) -> None:
    """Delete the profile from the phone, after which it can be installed again."""
    _must_live(esim)
    if esim.profile_status == "Installed":
        esim.profile_status = "Released"
        callbacks.profile_status(world, esim, at)


def attach(world: World, esim: Esim, iso: str | None, at: datetime) -> None:
    """Register in a network of the country, by default of the last one."""
    _must_live(esim)
    if esim.state == "suspended":
        raise Refusal(409, "The eSIM is suspended and can't attach to a network: unsuspend it.")
    install(world, esim, at)
    country = iso or esim.country or _first_country(world, esim)
    esim.country = country
    esim.last_seen = at
    if esim.attached_at is None:
        esim.attached_at = at
        note(esim, "eSIM First Attachment", "", at)
        callbacks.first_attachment(world, esim, at)
    _tell_country(world, esim, country, at)
    start_if_attached(world, esim, at)


def use_data(world: World, esim: Esim, amount: int, iso: str | None, at: datetime) -> list[Served]:
    """Use up to `amount` bytes of the active bundles, and start queued ones as needed.

    Without a bundle that covers the country no data is used, as in a real network.
    """
    attach(world, esim, iso, at)
    served: list[Served] = []
    while amount > 0 and (assignment := _in_force_here(world, esim, at)) is not None:
        part = amount if assignment.unlimited else min(amount, assignment.remaining)
        _use(world, esim, assignment, part, at)
        amount -= part
        served.append(
            Served(assignment.id, assignment.bundle, part, assignment.remaining, assignment.state)
        )
    return served


def _in_force_here(world: World, esim: Esim, at: datetime) -> Assignment | None:
    for assignment in active(world, esim):
        if esim.country in assignment.countries:
            return assignment
    following = next_queued(world, esim)
    if following is not None:
        start(world, following, at)
    return following


def _use(world: World, esim: Esim, assignment: Assignment, amount: int, at: datetime) -> None:
    if not assignment.first_used:
        assignment.first_used = True
        note(esim, "eSIM First Use", assignment.bundle, at)
        callbacks.usage_alert(world, "FirstUse", assignment, assignment.remaining, at)
    before = assignment.used
    assignment.used += amount
    active_again(esim, at)
    esim.last_seen = at
    if assignment.unlimited:
        return
    for step in UTILISATION_STEPS:
        reached = -(-assignment.initial * step // 100)
        if before < reached <= assignment.used:
            note(esim, "eSIM Utilisation Alert", assignment.bundle, at, f"{step}% Used")
            left = assignment.initial - reached
            callbacks.usage_alert(world, "Utilisation", assignment, left, at)
    if assignment.remaining == 0:
        finish(world, assignment, "depleted", at, number_reason="Bundle depleted")


def _must_live(esim: Esim) -> None:
    if esim.state == "deactivated":
        raise Refusal(409, "The eSIM has been deactivated and can't be used any more.")


def _first_country(world: World, esim: Esim) -> str:
    for key in reversed(esim.assignments):
        if countries := world.assignments[key].countries:
            return countries[0]
    raise Refusal(409, "The location of the eSIM is unknown: specify a country.")


def _tell_country(world: World, esim: Esim, iso: str, at: datetime) -> None:
    last = next((visit for visit in esim.visits if visit.iso == iso), None)
    if last is not None and at - last.told_at < COUNTRY_TOLD:
        return
    others = tuple(visit for visit in esim.visits if visit.iso != iso)
    esim.visits = (*others, Visit(iso, at))
    callbacks.country_change(world, esim, iso, country_name(world, iso), at)


def country_name(world: World, iso: str) -> str:
    """Return the name of a country by its code, from the places or the catalogue."""
    countries, _ = read_places()
    if iso in countries:
        return countries[iso].name
    names = (
        place.name
        for bundle in world.catalogue.all()
        for place in bundle.countries
        if place.iso == iso
    )
    return next(names, iso)
