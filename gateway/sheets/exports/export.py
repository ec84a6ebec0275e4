"""What to export, and in which format."""

import importlib.util
from dataclasses import dataclass
from typing import Any

from gateway.sheets.exports.kinds import KINDS, Kind
from kit.errors import Failure
from kit.errors import Kind as FailureKind
from kit.reports import requests
from kit.values.checks import Checks
from protos.common.v1 import days_pb2

CSV, PARQUET = "csv", "parquet"
FORMATS = (CSV, PARQUET)


@dataclass(frozen=True, slots=True)
class Export:
    """A file to make.

    Without days, all rows are exported. An empty zone is that of the shop, or of the organization for its
    orders. `bom` is for CSV: a byte order mark, which Excel needs.
    """

    kind: str
    format: str = CSV
    from_day: str = ""
    to_day: str = ""
    time_zone: str = ""
    organization_id: str = ""
    bom: bool = False

    @property
    def rows(self) -> Kind:
        """The kind of its rows."""
        return KINDS[self.kind]

    @property
    def name(self) -> str:
        """The name of the file, if `check` has passed."""
        return "-".join(filter(None, (self.kind, self.from_day, self.to_day))) + f".{self.format}"

    def check(self) -> None:
        """Raise Failure INVALID for what can't be exported, or not in this format."""
        checks = Checks()
        if self._days is not None or self.rows.needs_days:
            requests.days(checks, self._days or days_pb2.DayRange())
        requests.zone(checks, self.time_zone)
        if self.organization_id:
            self._check_organization(checks)
        checks.done()
        if self.format == PARQUET and not has_parquet():
            raise Failure(
                FailureKind.INVALID,
                "PARQUET_NOT_INSTALLED",
                "Parquet needs the package pyarrow, which is not installed here: install the extra"
                " `parquet`, or export CSV",
            )

    def _check_organization(self, checks: Checks) -> None:
        checks.uuid("organization_id", self.organization_id)
        if not self.rows.of_organizations:
            others = ", ".join(name for name, kind in KINDS.items() if kind.of_organizations)
            text = f"{self.kind} can't be exported for one organization, only {others}"
            checks.fail("organization_id", text)

    @property
    def _days(self) -> days_pb2.DayRange | None:
        if not (self.from_day or self.to_day):
            return None
        return days_pb2.DayRange(from_day=self.from_day, to_day=self.to_day)

    def request(self) -> Any:
        """Return the request to the service that streams the rows."""
        request = self.rows.request(time_zone=self.time_zone)
        if self._days is not None:
            request.range.CopyFrom(self._days)
        if self.organization_id:
            request.organization_id = self.organization_id
        return request


def has_parquet() -> bool:
    """True if Parquet can be written."""
    return importlib.util.find_spec("pyarrow") is not None
