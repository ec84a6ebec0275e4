"""The environment, read once: every missing or malformed variable is reported together."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kit.values import addresses

# A secret NAME may stand in a file that NAME_FILE names, as orchestrators mount them.
FILE_SUFFIX = "_FILE"


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable that a process reads, as the docs' tables show it."""

    name: str
    help: str
    default: str | None
    secret: bool


class SettingsError(Exception):
    """The environment is not fit to start with; the text names every variable and what to do."""


class Env:
    """Reads variables, keeps what was declared, and collects what is wrong until `finish`.

    An empty value counts as absent, because compose files and shells pass empty ones on; so does an
    empty file. `from_files` holds the secrets that were in files, and `notices` what a process logs
    at its start.
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
        help: str,  # noqa: A002 - as argparse and click call it
        default: str | None = None,
        *,
        secret: bool = False,
        missing: str | None = None,
    ) -> str:
        """A variable as it is; without a default it is required, and `missing` may say why."""
        self.declared[name] = Variable(name, help, default, secret)
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
            text = Path(file).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not valid UTF-8 text"
            self.problems.append(f"{name}{FILE_SUFFIX}: {file} can't be read: {why}")
            return ""
        if text:
            self.from_files[name] = text
        return text

    def optional(self, name: str, help: str, *, secret: bool = False) -> str | None:  # noqa: A002 - likewise
        """A variable that may be absent."""
        return self.text(name, help, "", secret=secret) or None

    def url(
        self,
        name: str,
        help: str,  # noqa: A002 - likewise
        default: str | None = None,
        *,
        schemes: tuple[str, ...] = ("http", "https"),
        secret: bool = False,
    ) -> str:
        """An address with one of the schemes, without a slash at its end."""
        value = self.text(name, help, default, secret=secret).rstrip("/")
        if value and (problem := addresses.problem(value, schemes)):
            self.problems.append(f"{name} {problem}")
        return value

    def number(self, name: str, help: str, default: float, *, low: float, high: float) -> float:  # noqa: A002 - likewise
        """A number between `low` and `high`, both included."""
        text = self.text(name, help, _plain(default))
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            least, most = _plain(low), _plain(high)
            self.problems.append(f"{name} must be a number from {least} to {most}, not {text!r}")
            return default
        return value

    def port(self, name: str, help: str, default: int) -> int:  # noqa: A002 - likewise
        """A TCP port; 0 lets the system choose."""
        text = self.text(name, help, str(default))
        if text.isascii() and text.isdigit() and int(text) <= 65535:
            return int(text)
        self.problems.append(f"{name} must be a port from 0 to 65535, not {text!r}")
        return default

    def flag(self, name: str, help: str, *, default: bool) -> bool:  # noqa: A002 - likewise
        """True for 1, true, yes, on; False for 0, false, no, off."""
        text = self.text(name, help, "true" if default else "false").lower()
        if text not in ("1", "true", "yes", "on", "0", "false", "no", "off"):
            self.problems.append(f"{name} must be true or false, not {text!r}")
        return text in ("1", "true", "yes", "on")

    def choice(self, name: str, help: str, default: str, options: tuple[str, ...]) -> str:  # noqa: A002 - likewise
        """One of the options, without regard to case."""
        text = self.text(name, help, default)
        if text.lower() not in options:
            self.problems.append(f"{name} must be one of {', '.join(options)}, not {text!r}")
            return default
        return text.lower()

    def removed(self, name: str, instead: str) -> None:
        """Report a setting of a removed mechanism if it is still set; `instead` says what to do."""
        if self._values.get(name, "").strip():
            self.notices.append(f"{name} is no longer in use: {instead}")

    def finish(self) -> None:
        """Raises SettingsError naming everything that is wrong; reads nothing more."""
        if self.problems:
            raise SettingsError("; ".join(self.problems))


def _plain(number: float) -> str:
    """The number as people write it, large ones with all their digits."""
    return str(int(number)) if float(number).is_integer() else f"{number:g}"
