"""Types of parameters; each parses the decoded form, or JSON of the admin API, and refuses anything else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sandbox.payments.errors import ApiError, invalid


class Kind(Protocol):
    """The type of one parameter."""

    def parse(self, name: str, raw: Any) -> Any:
        """Return the value; raise ApiError with `param` for an invalid one."""


Spec = Mapping[str, Kind]


@dataclass(frozen=True, slots=True)
class Text:
    """A string; with `clearable`, an empty one or a null of JSON means none."""

    longest: int = 5000
    choices: tuple[str, ...] = ()
    clearable: bool = False

    def parse(self, name: str, raw: Any) -> str | None:
        if raw in ("", None) and self.clearable:
            return None
        if not isinstance(raw, str):
            raise invalid(f"Invalid string: {raw}", name)
        if not raw:
            message = f"You passed an empty string for '{name}'. We assume empty values are an attempt to "
            message += f"unset a parameter; however '{name}' cannot be unset."
            raise invalid(message, name, "parameter_invalid_empty")
        if len(raw) > self.longest:
            raise invalid(f"Invalid string: {name} must be at most {self.longest} characters", name)
        if self.choices and raw not in self.choices:
            raise invalid(f"Invalid {name}: must be one of {', '.join(self.choices)}", name)
        return raw


@dataclass(frozen=True, slots=True)
class Integer:
    """A whole number."""

    least: int | None = None
    most: int | None = None

    def parse(self, name: str, raw: Any) -> int:
        number: int | None = None
        if isinstance(raw, int) and not isinstance(raw, bool):
            number = raw
        elif isinstance(raw, str) and raw.isascii() and len(raw) <= 18:
            try:
                number = int(raw)
            except ValueError:
                number = None
        if number is None:
            raise invalid(f"Invalid integer: {raw}", name, "parameter_invalid_integer")
        if self.least is not None and number < self.least:
            message = f"This value must be greater than or equal to {self.least}."
            raise invalid(message, name, "parameter_invalid_integer")
        if self.most is not None and number > self.most:
            message = f"This value must be less than or equal to {self.most}."
            raise invalid(message, name, "parameter_invalid_integer")
        return number


@dataclass(frozen=True, slots=True)
class Number:
    """A number with fractions, which only the admin API uses."""

    least: float = 0.0
    most: float = 1e12

    def parse(self, name: str, raw: Any) -> float:
        if isinstance(raw, bool) or not isinstance(raw, int | float):
            raise invalid(f"Invalid number: {raw}", name)
        if not self.least <= raw <= self.most:
            raise invalid(f"{name} must be from {self.least} to {self.most}", name)
        return float(raw)


@dataclass(frozen=True, slots=True)
class Flag:
    """A boolean."""

    def parse(self, name: str, raw: Any) -> bool:
        if isinstance(raw, bool):
            return raw
        if raw in ("true", "false"):
            return bool(raw == "true")
        raise invalid(f"Invalid boolean: {raw}", name)


@dataclass(frozen=True, slots=True)
class Group:
    """An object with known members."""

    fields: Spec
    clearable: bool = False

    def parse(self, name: str, raw: Any) -> dict[str, Any] | None:
        if raw == "" and self.clearable:
            return None
        if not isinstance(raw, Mapping):
            raise invalid("Invalid object", name)
        return parse(self.fields, raw, name)


@dataclass(frozen=True, slots=True)
class Many:
    """A list."""

    item: Kind
    most: int = 100
    clearable: bool = False

    def parse(self, name: str, raw: Any) -> list[Any]:
        if raw == "" and self.clearable:
            return []
        if isinstance(raw, Mapping):
            if not all(key.isdigit() for key in raw):
                raise invalid("Invalid array", name)
            raw = [raw[key] for key in sorted(raw, key=int)]
        if not isinstance(raw, list):
            raise invalid("Invalid array", name)
        if len(raw) > self.most:
            raise invalid(f"Array {name} exceeded maximum {self.most} allowed elements.", name)
        return [self.item.parse(f"{name}[{index}]", value) for index, value in enumerate(raw)]


@dataclass(frozen=True, slots=True)
class Metadata:
    """Up to 50 pairs; an empty value deletes its key, and an empty string all of them."""

    def parse(self, name: str, raw: Any) -> dict[str, str] | None:
        if raw == "":
            return None
        if not isinstance(raw, Mapping):
            raise invalid("Invalid object", name)
        if len(raw) > 50:
            raise invalid("You can have up to 50 keys in metadata", name)
        for key, value in raw.items():
            if len(key) > 40:
                raise invalid(f"Metadata keys can be up to 40 characters long: {key}", name)
            if not isinstance(value, str):
                raise invalid(f"Metadata values must be strings: {key}", f"{name}[{key}]")
            if len(value) > 500:
                message = f"Metadata values can have up to 500 characters: {key}"
                raise invalid(message, f"{name}[{key}]")
        return dict(raw)


@dataclass(frozen=True, slots=True)
class Moment:
    """A filter by time: an exact value, or an object with gt, gte, lt and lte."""

    def parse(self, name: str, raw: Any) -> dict[str, int]:
        if not isinstance(raw, Mapping):
            return {"eq": Integer().parse(name, raw)}
        bounds = dict.fromkeys(("gt", "gte", "lt", "lte"), Integer())
        return parse(bounds, raw, name)


@dataclass(frozen=True, slots=True)
class Required:
    """A parameter that must be present."""

    kind: Kind

    def parse(self, name: str, raw: Any) -> Any:
        return self.kind.parse(name, raw)


@dataclass(frozen=True, slots=True)
class Removed:
    """A parameter that this API version no longer accepts."""

    code: str
    message: str

    def parse(self, name: str, _raw: Any) -> Any:
        raise invalid(self.message, name, self.code)


def parse(spec: Spec, raw: Mapping[str, Any], inside: str = "") -> dict[str, Any]:
    """Return the parameters that are present; raise ApiError for unknown, missing or invalid ones."""
    for name in raw:
        if name not in spec:
            full = _full(inside, name)
            raise invalid(f"Received unknown parameter: {full}", full, "parameter_unknown")
    values = {}
    for name, kind in spec.items():
        full = _full(inside, name)
        if name in raw:
            values[name] = kind.parse(full, raw[name])
        elif isinstance(kind, Required):
            message = f"Missing required param: {full}."
            raise ApiError(400, message, code="parameter_missing", param=full)
    return values


def _full(inside: str, name: str) -> str:
    return f"{inside}[{name}]" if inside else name
