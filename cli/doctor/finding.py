"""What the doctor found: a line each, with the remedy where something is wrong."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """`remedy` is None where all is well."""

    text: str
    remedy: str | None = None

    def __str__(self) -> str:
        if self.remedy is None:
            return f"OK     {self.text}"
        return f"WRONG  {self.text}\n       -> {self.remedy}"
