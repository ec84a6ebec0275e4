"""Delivered eSIMs as rows of a sheet."""

from dataclasses import dataclass, field

from gateway.sheets.writing import Cell

# Sheets that are uploaded again find name, email, reference and plan_id.
HEADER = (
    "position",
    "number",
    "name",
    "email",
    "reference",
    "plan_id",
    "plan_title",
    "iccid",
    "smdp_address",
    "activation_code",
)


@dataclass(frozen=True, slots=True)
class DeliveredESIM:
    """An eSIM to install.

    `position` is that of its row in the batch, and `number` is 1 for the first eSIM of the row.
    `smdp_address` is a host name; it and `matching_id` are empty while the provider has not returned them.
    """

    position: int
    number: int
    iccid: str
    smdp_address: str
    matching_id: str = field(repr=False)
    name: str = ""
    email: str = ""
    reference: str = ""
    plan_id: str = ""
    plan_title: str = ""

    @property
    def activation_code(self) -> str:
        """The activation code, a secret; empty until both of its parts are known."""
        if not (self.smdp_address and self.matching_id):
            return ""
        return f"LPA:1${self.smdp_address}${self.matching_id}"

    def row(self) -> tuple[Cell, ...]:
        """Return the cells below HEADER. The ICCID is text: as a number it would lose digits."""
        return (
            self.position,
            self.number,
            self.name,
            self.email,
            self.reference,
            self.plan_id,
            self.plan_title,
            self.iccid,
            self.smdp_address,
            self.activation_code,
        )
