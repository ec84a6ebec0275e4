"""Result of one check of `esimgo doctor`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """Text of a finding; `remedy` is None if nothing is wrong."""

    text: str
    remedy: str | None = None

    def __str__(self) -> str:
        if self.remedy is None:
            return f"OK     {self.text}"
        return f"WRONG  {self.text}\n       -> {self.remedy}"
