"""The part of JSON Schema that the contract needs: constructors and validation."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

Schema = Mapping[str, Any]

# Larger whole numbers fit in no field and would slow down arithmetic.
GREATEST = 10**15


class Mismatch(ValueError):  # noqa: N818 - the value is wrong, not the program
    """A value that doesn't match its schema; the text has the place and the expectation."""


def text(description: str = "", **more: Any) -> Schema:
    return _schema("string", description, more)


def moment(description: str = "") -> Schema:
    """A time in RFC 3339."""
    return text(description, format="date-time")


def choice(*values: str, description: str = "") -> Schema:
    """One of several strings."""
    return text(description, enum=list(values))


def number(description: str = "", **more: Any) -> Schema:
    return _schema("number", description, more)


def whole(description: str = "", **more: Any) -> Schema:
    return _schema("integer", description, more)


def flag(description: str = "", **more: Any) -> Schema:
    return _schema("boolean", description, more)


def listing(items: Schema, description: str = "", **more: Any) -> Schema:
    return _schema("array", description, {"items": items, **more})


def record(
    properties: Mapping[str, Schema], required: Iterable[str] = (), description: str = ""
) -> Schema:
    """An object; additional members are allowed, as everywhere in the contract."""
    more: dict[str, Any] = {"properties": dict(properties)}
    if names := list(required):
        more["required"] = names
    return _schema("object", description, more)


def ref(name: str) -> Schema:
    """A schema by its name among the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def one_of(*options: Schema) -> Schema:
    """Exactly one of several schemas."""
    return {"oneOf": list(options)}


def any_of(*options: Schema) -> Schema:
    """At least one of several schemas."""
    return {"anyOf": list(options)}


def _schema(kind: str, description: str, more: Mapping[str, Any]) -> Schema:
    return {"type": kind, **({"description": description} if description else {}), **more}


def check(value: object, schema: Schema, components: Mapping[str, Schema], where: str) -> None:
    """Validate a value read from JSON (decimals as Decimal); raise Mismatch."""
    if "$ref" in schema:
        check(value, components[schema["$ref"].rsplit("/", 1)[1]], components, where)
        return
    if "oneOf" in schema:
        _check_one(value, schema["oneOf"], components, where)
        return
    _check_type(value, schema["type"], where)
    if "enum" in schema and value not in schema["enum"]:
        raise Mismatch(f"{where} must be one of {', '.join(map(str, schema['enum']))}")
    if isinstance(value, str):
        _check_length(len(value), schema.get("minLength"), schema.get("maxLength"), where)
    elif isinstance(value, dict):
        _check_members(value, schema, components, where)
    elif isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            raise Mismatch(f"{where} must contain at least {schema['minItems']}")
        for place, item in enumerate(value):
            check(item, schema["items"], components, f"{where}[{place}]")
    elif isinstance(value, int | Decimal) and not isinstance(value, bool):
        _check_range(value, schema, where)


def _check_one(
    value: object, options: Iterable[Schema], components: Mapping[str, Schema], where: str
) -> None:
    problems: list[str] = []
    fitting = 0
    for option in options:
        try:
            check(value, option, components, where)
            fitting += 1
        except Mismatch as mismatch:
            problems.append(str(mismatch))
    if fitting == 0:
        raise Mismatch(" or ".join(problems))
    if fitting > 1:
        raise Mismatch(f"{where} mixes two forms of the request; send only one of them")


_WORDS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "an array",
    "object": "an object",
}


def _check_type(value: object, kind: str, where: str) -> None:
    if isinstance(value, bool):
        fits = kind == "boolean"
    elif isinstance(value, int | Decimal):
        fits = kind == "number" or (kind == "integer" and value == int_of(value, where))
    else:
        types: dict[str, type] = {"string": str, "array": list, "object": dict}
        fits = kind in types and isinstance(value, types[kind])
    if not fits:
        raise Mismatch(f"{where} must be {_WORDS[kind]}")


def int_of(value: int | Decimal, where: str) -> int:
    """Return the integer part; raise Mismatch for huge numbers, before they cost any work."""
    if isinstance(value, Decimal) and not value.is_finite():
        raise Mismatch(f"{where} must be a number")
    if not -GREATEST <= value <= GREATEST:
        raise Mismatch(f"{where} is too large")
    return int(value)


def _check_range(value: int | Decimal, schema: Schema, where: str) -> None:
    int_of(value, where)
    if "minimum" in schema and value < schema["minimum"]:
        raise Mismatch(f"{where} must be at least {schema['minimum']}")
    if "maximum" in schema and value > schema["maximum"]:
        raise Mismatch(f"{where} must be at most {schema['maximum']}")


def _check_length(length: int, least: int | None, most: int | None, where: str) -> None:
    if least is not None and length < least:
        raise Mismatch(f"{where} must have at least {least} characters")
    if most is not None and length > most:
        raise Mismatch(f"{where} must have at most {most} characters")


def _check_members(
    value: Mapping[str, object], schema: Schema, components: Mapping[str, Schema], where: str
) -> None:
    for name in schema.get("required", ()):
        if name not in value:
            raise Mismatch(f"{where}.{name} is missing")
    for name, member in schema.get("properties", {}).items():
        if name in value:
            check(value[name], member, components, f"{where}.{name}")
