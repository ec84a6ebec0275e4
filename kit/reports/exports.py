"""What requests and responses of all exports have in common."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from kit.errors import Failure, Kind
from kit.reports import requests
from kit.reports.periods import Days
from kit.values import timestamps
from kit.values.checks import Checks
from protos.common.v1 import exports_pb2 as pb

EVERYTHING = Days(requests.FIRST_DAY, requests.LAST_DAY)
# A condition of SQL: a time is on one of the days from $1 to $2 in the zone $3. The first two parts are for
# indexes; only the last one is exact, as a zone may have a midnight twice or never.
IN_DAYS = """({at} >= ($1::date)::timestamp at time zone $3 - interval '1 day'
    and {at} < ($2::date + 1)::timestamp at time zone $3 + interval '1 day'
    and ({at} at time zone $3)::date between $1 and $2)"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A checked request. `time_zone` is empty if it does not name one, `organization_id` None for all."""

    days: Days
    time_zone: str
    organization_id: UUID | None = None

    @property
    def parameters(self) -> tuple[date, date, str]:
        """The first parameters of each statement."""
        return self.days.first, self.days.last, self.time_zone


def wanted(request: Any, *, needs_range: bool = True) -> Wanted:
    """Check the request of an export; raises Failure INVALID."""
    checks = Checks()
    organization = getattr(request, "organization_id", "")
    found = Wanted(
        requests.days(checks, request.range)
        if needs_range or request.HasField("range")
        else EVERYTHING,
        requests.zone(checks, request.time_zone),
        checks.uuid("organization_id", organization) if organization else None,
    )
    checks.done()
    return found


def head(as_of: datetime, time_zone: str, *, complete: bool = True) -> pb.ExportHead:
    """Make the first part of a response."""
    return pb.ExportHead(as_of=timestamps.to_proto(as_of), time_zone=time_zone, complete=complete)


def text(value: UUID | date | str | None) -> str:
    """Return the text of an id or a day; empty for none."""
    return "" if value is None else str(value)


def not_for_all() -> Failure:
    """Return the failure for a customer's session that names no organization."""
    return Failure(
        Kind.FORBIDDEN,
        "FORBIDDEN",
        "Not allowed: exports of all customers are for the finance staff and administrators; name your"
        " organization",
    )
