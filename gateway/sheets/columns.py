"""Columns of a sheet of a batch, by whatever names people give them."""

import re
import unicodedata
from collections.abc import Mapping
from enum import StrEnum


class Column(StrEnum):
    """A column that is read."""

    PLAN = "plan"
    BUNDLE = "bundle"
    COUNTRY = "country"
    GB = "gb"
    DAYS = "days"
    QUANTITY = "quantity"
    NAME = "name"
    EMAIL = "email"
    USER_ID = "user_id"
    REFERENCE = "reference"
    ESIM_ID = "esim_id"


# Without spaces, signs and case, and besides the name itself.
OTHER_NAMES: Mapping[Column, str] = {
    Column.PLAN: "planid dataplan",
    Column.BUNDLE: "bundlename",
    Column.COUNTRY: "destination countrycode",
    Column.GB: "data datagb gigabytes",
    Column.DAYS: "duration durationdays validity validitydays",
    Column.QUANTITY: "qty count",
    Column.NAME: "traveler traveller travelername travellername fullname",
    Column.EMAIL: "mail emailaddress traveleremail travelleremail",
    Column.USER_ID: "userid",
    Column.REFERENCE: "ref",
    Column.ESIM_ID: "esim esimid",
}
NAMES: Mapping[str, Column] = {str(column): column for column in Column} | {
    name: column for column, names in OTHER_NAMES.items() for name in names.split()
}
SIGNS = re.compile(r"[\W_]+")


def column(header: str) -> Column | None:
    """Return the column with this header; None for one that is not read."""
    plain = SIGNS.sub("", unicodedata.normalize("NFKC", header).casefold())
    return NAMES.get(plain)


def is_known(header: str) -> bool:
    """True if a header names a column that is read."""
    return column(header) is not None
