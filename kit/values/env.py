"""Reading of environment variables, which reports all missing and invalid ones together."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kit.values import addresses

# A secret NAME may be read from the file that NAME_FILE names, as orchestrators mount it.
FILE_SUFFIX = "_FILE"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable that a process reads, for the documentation."""

    name: str
    help: str
    default: str | None
    secret: bool


class SettingsError(Exception):
    """The environment is invalid; the text names every variable at fault and says what to do."""


class Env:
    """Reads and declares variables, and collects problems until `finish`.

    An empty value or file counts as missing, because compose files and shells pass on empty variables.
    `from_files` contains the secrets read from files, and `notices` are logged at the start.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.declared: dict[str, Variable] = {}
        self.from_files: dict[str, str] = {}
        self.problems: list[str] = []
        self.notices: list[str] = []

    def text(
        self,
        name: str,
        about: str,
        default: str | None = None,
        *,
        secret: bool = False,
        missing: str | None = None,
    ) -> str:
        """Read a variable. Without a default it is required, and `missing` may say why."""
        self.declared[name] = Variable(name, about, default, secret)
        value: str | None = self._values.get(name, "").strip()
        if secret and (file := self._values.get(name + FILE_SUFFIX, "").strip()):
            if value:
                self.problems.append(
                    f"{name} and {name}{FILE_SUFFIX} are both set: remove one of them"
                )
            value = self._from_file(name, file)
        value = value or default
        if value is None:
            self.problems.append(f"{missing or 'a required variable is missing'}: set {name}")
            return ""
        return value

    def _from_file(self, name: str, file: str) -> str:
        try:
            text = Path(file).read_text("utf-8-sig").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not valid UTF-8 text"
            self.problems.append(f"{name}{FILE_SUFFIX}: {file} can't be read: {why}")
            return ""
        if text:
            self.from_files[name] = text
        return text

    def optional(self, name: str, about: str, *, secret: bool = False) -> str | None:
        """Read an optional variable; None if it is not set."""
        return self.text(name, about, "", secret=secret) or None

    def url(
        self,
        name: str,
        about: str,
        default: str | None = None,
        *,
        schemes: tuple[str, ...] = ("http", "https"),
        secret: bool = False,
    ) -> str:
        """Read a URL with one of the schemes, and strip trailing slashes."""
        value = self.text(name, about, default, secret=secret).rstrip("/")
        if value and (problem := addresses.problem(value, schemes)):
            self.problems.append(f"{name} {problem}")
        return value

    def number(self, name: str, about: str, default: float, *, low: float, high: float) -> float:
        """Read a number from `low` to `high`."""
        text = self.text(name, about, _plain(default))
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            lowest, highest = _plain(low), _plain(high)
            self.problems.append(
                f"{name} must be a number from {lowest} to {highest}, not {text!r}"
            )
            return default
        return value

    def integer(self, name: str, about: str, default: int, *, low: int, high: int) -> int:
        """Read an integer from `low` to `high`."""
        value = float(self.number(name, about, default, low=low, high=high))
        if not value.is_integer():  # truncated to 0, it could mean the opposite
            self.problems.append(f"{name} must be a whole number, not {self._values[name]!r}")
            return default
        return int(value)

    def port(self, name: str, about: str, default: int) -> int:
        """Read a TCP port; 0 lets the system choose."""
        text = self.text(name, about, str(default))
        if text.isascii() and text.isdigit() and int(text) <= 65535:
            return int(text)
        self.problems.append(f"{name} must be a port from 0 to 65535, not {text!r}")
        return default

    def flag(self, name: str, about: str, *, default: bool) -> bool:
        """Read a boolean: 1, true, yes, on or 0, false, no, off."""
        text = self.text(name, about, "true" if default else "false").lower()
        if text not in ("1", "true", "yes", "on", "0", "false", "no", "off"):
            self.problems.append(f"{name} must be true or false, not {text!r}")
        return text in ("1", "true", "yes", "on")

    def choice(self, name: str, about: str, default: str, options: tuple[str, ...]) -> str:
        """Read one of the options, ignoring case."""
        text = self.text(name, about, default)
        if text.lower() not in options:
            self.problems.append(f"{name} must be one of {', '.join(options)}, not {text!r}")
            return default
        return text.lower()

    def removed(self, name: str, instead: str) -> None:
        """Report a setting of a removed mechanism if it is still set; `instead` says what to do."""
        if self._values.get(name, "").strip():
            self.notices.append(f"{name} is no longer in use: {instead}")

    def finish(self) -> None:
        """Raise SettingsError if there are problems."""
        if self.problems:
            raise SettingsError("; ".join(self.problems))


def _plain(number: float) -> str:
    """Format a number without an exponent."""
    return str(int(number)) if float(number).is_integer() else f"{number:g}"
