"""Calls the provider's eSIM endpoints."""

import logging
from dataclasses import replace
from typing import Any

from kit.cache.cache import Cache
from kit.errors import Failure, Kind
from kit.logs.episodes import Episodes
from providers.esim_go.client import Priority, Provider, segment
from services.esims.bundle import Assignment
from services.esims.provider_bundle import Listing, read_assignments, read_bundles
from services.esims.provider_cache import (
    dump_history,
    dump_install,
    dump_location,
    parse_history,
    parse_location,
)
from services.esims.provider_esim import (
    Details,
    HistoryEntry,
    ListedESIM,
    Location,
    bad_answer,
    read_compatible,
    read_details,
    read_history,
    read_list,
    read_location,
)

episodes = Episodes(logging.getLogger(__name__))

# Seconds. Bundles and states are stored in the database instead.
ESIM_TTL = 300.0
INSTALL_TTL = 86_400.0
# The largest page of eSIMs that the provider allows.
PAGE_SIZE = 100
# A million eSIMs; a longer list is an endless one.
MAX_PAGES = 10_000
# The provider lists no more of one eSIM.
MAX_ASSIGNMENTS = 200


class ESIMsDataSource:
    """The provider's eSIM endpoints.

    Every method raises Failure: those of providers.esim_go.client, or UNAVAILABLE (PROVIDER_BAD_ANSWER) for
    an answer without essential fields. An ICCID that is not the organisation's is REFUSED (403).
    """

    def __init__(self, provider: Provider, cache: Cache) -> None:
        self._provider = provider
        self._cache = cache

    async def get_esims(
        self, *, filter_by: str | None = None, matching: str | None = None
    ) -> list[ListedESIM]:
        """Return the organisation's eSIMs, all pages: GET /esims.

        `filter_by` is iccid, customerRef, lastAction, actionDate or assignedDate. `matching` is a part of
        the value, an exact one with `eq:`, or a time with `gte:` and so on.
        """
        params = {"perPage": str(PAGE_SIZE), "orderBy": "iccid", "direction": "asc"}
        if filter_by is not None and matching is not None:
            params |= {"filterBy": filter_by, "filter": matching}
        found: dict[str, ListedESIM] = {}
        for page in range(1, MAX_PAGES + 1):
            answer = await self._provider.get("/esims", {**params, "page": str(page)})
            rows, pages = read_list(answer)
            new = {row.iccid: row for row in rows if row.iccid not in found}
            found.update(new)
            # A page without new rows also ends the list: it is empty, or the page number was ignored.
            if not new or (pages is not None and page >= pages):
                break
        return list(found.values())

    async def get_esim(self, iccid: str, *, priority: Priority = Priority.READ) -> Details:
        """Return one eSIM as the provider knows it now: GET /esims/{iccid}."""
        answer = await self._provider.get(f"/esims/{segment(iccid)}", priority=priority)
        return _details_of(iccid, answer)

    async def update_esim(
        self, iccid: str, customer_ref: str, *, priority: Priority = Priority.WRITE
    ) -> None:
        """Set the reference: PUT /esims, fields in query and body, as the provider documents both.

        Safe to repeat. Raises Failure UNCLEAR when it may or may not have been set.
        """
        fields = {"iccid": iccid, "customerRef": customer_ref}
        await self._provider.send("PUT", "/esims", params=fields, json=fields, priority=priority)
        await self.forget(iccid)

    async def get_bundles(self, iccid: str, *, priority: Priority = Priority.READ) -> Listing:
        """Return the newest 200 assignments on an eSIM: GET /esims/{iccid}/bundles.

        Used-up ones are included, revoked ones mostly not. Unreadable ones are skipped and logged.
        """
        answer = await self._provider.get(
            f"/esims/{segment(iccid)}/bundles",
            {"includeUsed": "true", "limit": str(MAX_ASSIGNMENTS)},
            priority=priority,
        )
        listing = read_bundles(answer)
        if listing.skipped:
            episodes.record(
                "assignments of eSIMs are skipped",
                "%d assignments of an eSIM are skipped: the provider returned them in an"
                " unknown format",
                listing.skipped,
            )
        return listing

    async def get_bundle_status(self, iccid: str, bundle_name: str) -> list[Assignment]:
        """Return the assignments of one bundle: GET /esims/{iccid}/bundles/{name}.

        Of several assignments the provider may return only the latest. Raises Failure NOT_FOUND
        (BUNDLE_NOT_ON_ESIM) for one that the eSIM doesn't have, which it answers with 400.
        """
        path = f"/esims/{segment(iccid)}/bundles/{segment(bundle_name)}"
        try:
            found = read_assignments(await self._provider.get(path), bundle_name)
        except Failure as failure:
            if failure.reason not in ("PROVIDER_BAD_REQUEST", "PROVIDER_NOT_FOUND"):
                raise
            found = []
        if not found:
            raise Failure(
                Kind.NOT_FOUND,
                "BUNDLE_NOT_ON_ESIM",
                "This eSIM has no such bundle; names are case-sensitive",
            )
        return found

    async def get_esim_usage(self, iccid: str) -> tuple[int | None, int | None]:
        """Return the bytes used and left of all assignments, used-up ones too; None if one is unlimited.

        Raises Failure if one of them can't be read.
        """
        listing = await self.get_bundles(iccid)
        if listing.skipped:
            raise bad_answer("the state of an assignment")
        assignments = listing.assignments
        if any(assignment.unlimited for assignment in assignments):
            return None, None
        left = sum(assignment.remaining_bytes or 0 for assignment in assignments)
        return sum(assignment.initial_bytes or 0 for assignment in assignments) - left, left

    async def suspend_esim(self, iccid: str) -> None:
        """Suspend an eSIM: POST /esims/{iccid}/suspend; REFUSED (400) if it is suspended already."""
        await self._set_suspended(iccid, suspended=True)

    async def restore_esim(self, iccid: str) -> None:
        """Lift a suspension; REFUSED (403) for a policy suspension, and (400) if there is none."""
        await self._set_suspended(iccid, suspended=False)

    async def _set_suspended(self, iccid: str, *, suspended: bool) -> None:
        path = f"/esims/{segment(iccid)}/suspend"
        body = {"suspend": suspended}
        await self._provider.send("POST", path, json=body)

    async def refresh_esim(self, iccid: str) -> None:
        """Cut the network session: GET /esims/{iccid}/refresh, a GET that is never retried."""
        await self._provider.get(f"/esims/{segment(iccid)}/refresh", retry=False)
        await self.forget(iccid)

    async def get_location(self, iccid: str) -> Location:
        """Return where an eSIM was last seen, at most 300 s old: GET /esims/{iccid}/location.

        Raises Failure NOT_FOUND (NEVER_ATTACHED), which is not cached.
        """

        async def load() -> Location:
            location = read_location(await self._provider.get(f"/esims/{segment(iccid)}/location"))
            if location is None:
                raise Failure(
                    Kind.NOT_FOUND,
                    "NEVER_ATTACHED",
                    "This eSIM has not been seen on any network yet; install it and switch it"
                    " on first",
                )
            return location

        return await self._cache.get_or_load(
            "esim_location", iccid, ESIM_TTL, load, dump=dump_location, parse=parse_location
        )

    async def get_history(self, iccid: str) -> list[HistoryEntry]:
        """Return an eSIM's history, newest first, at most 300 s old: GET /esims/{iccid}/history."""

        async def load() -> list[HistoryEntry]:
            return read_history(await self._provider.get(f"/esims/{segment(iccid)}/history"))

        return await self._cache.get_or_load(
            "esim_history", iccid, ESIM_TTL, load, dump=dump_history, parse=parse_history
        )

    async def check_compatibility(self, iccid: str, bundle_name: str) -> bool:
        """Return whether the bundle fits the eSIM: GET /esims/{iccid}/compatible/{bundle}.

        Raises Failure NOT_FOUND (BUNDLE_UNKNOWN) for a name that the provider answers with 400.
        """
        path = f"/esims/{segment(iccid)}/compatible/{segment(bundle_name)}"

        async def load() -> bool:
            # A purchase for this eSIM waits for it.
            return read_compatible(await self._provider.get(path, priority=Priority.WRITE))

        try:
            return await self._cache.get_or_load(
                "esim_compatible", f"{iccid}/{bundle_name}", ESIM_TTL, load
            )
        except Failure as failure:
            if failure.reason not in ("PROVIDER_BAD_REQUEST", "PROVIDER_NOT_FOUND"):
                raise
            raise Failure(
                Kind.NOT_FOUND,
                "BUNDLE_UNKNOWN",
                "The provider has no such bundle; names are case-sensitive",
            ) from failure

    async def get_install_details(self, iccid: str) -> Details:
        """Return profile and install links: GET /esims/{iccid}?additionalFields=installUrl.

        Cached for a day in this process's memory only, as they are secrets, and only once the provider
        has a matching id.
        """

        async def load() -> Details:
            answer = await self._provider.get(
                f"/esims/{segment(iccid)}", {"additionalFields": "installUrl"}
            )
            details = _details_of(iccid, answer)
            if not (details.matching_id and details.smdp_address):
                raise Failure(
                    Kind.REFUSED,
                    "ESIM_NOT_READY",
                    "The provider is still preparing this eSIM; try again in a few minutes",
                )
            return details

        return await self._cache.get_or_load(
            "esim_install",
            iccid,
            INSTALL_TTL,
            load,
            dump=dump_install,
            parse=read_details,
            secret=True,
        )

    async def forget(self, iccid: str) -> None:
        """Drop the cached values of an eSIM that has changed."""
        for kind in ("esim_location", "esim_history", "esim_install"):
            await self._cache.drop(kind, iccid)


def _details_of(iccid: str, answer: Any) -> Details:
    """Read an eSIM; raises Failure for the answer about another one, which may be another customer's."""
    details = read_details(answer)
    if details.iccid not in ("", iccid):
        raise bad_answer("the requested eSIM")
    return replace(details, iccid=iccid)
