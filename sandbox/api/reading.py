"""Validation of requests: typed parameters, and a body that matches its schema."""

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from multidict import MultiMapping

from sandbox.contract.operation import Operation, Parameter
from sandbox.contract.routes import SCHEMAS
from sandbox.contract.schema import Mismatch, Schema, check
from sandbox.state.refusal import bad

_NUMBER = re.compile(r"-?\d{1,18}(\.\d{1,9})?", re.ASCII)
_TRUTH = {"true": True, "false": False}


def read_query(operation: Operation, given: MultiMapping[str]) -> dict[str, Any]:
    """Return the query parameters by name, with the types of the route table.

    Unknown parameters are ignored, as by the provider.
    """
    read: dict[str, Any] = {}
    for parameter in operation.parameters:
        if parameter.where != "query":
            continue
        values = given.getall(parameter.name, [])
        if not values:
            if parameter.required:
                raise bad(f"query parameter {parameter.name} is missing")
            continue
        read[parameter.name] = _parameter(parameter, values)
    return read


def _parameter(parameter: Parameter, values: list[str]) -> Any:
    schema, name = parameter.schema, parameter.name
    if schema["type"] != "array" and len(values) > 1:
        raise bad(f"query parameter {name} is given more than once")
    try:
        if schema["type"] == "array":
            value = [_value(name, schema["items"], text) for text in values]
        else:
            value = _value(name, schema, values[0])
        check(value, schema, SCHEMAS, name)
    except Mismatch as mismatch:
        raise bad(f"query parameter {mismatch}") from mismatch
    return value


def _value(name: str, schema: Schema, text: str) -> Any:
    kind = schema["type"]
    if kind == "string":
        return text
    if kind == "boolean":
        if text not in _TRUTH:
            raise Mismatch(f"{name} must be true or false")
        return _TRUTH[text]
    if _NUMBER.fullmatch(text) is None:
        raise Mismatch(f"{name} must be a number")
    number = Decimal(text)
    return int(number) if kind == "integer" and number == number.to_integral_value() else number


def read_body(operation: Operation, raw: bytes) -> Any:
    """Return the body as plain values (decimals as Decimal); None if it is absent and optional."""
    if operation.body is None:
        return None
    if not raw.strip():
        if operation.body_required:
            raise bad("the body is missing; it must be JSON")
        return None
    body = read_json(raw)
    try:
        check(body, operation.body, SCHEMAS, "body")
    except Mismatch as mismatch:
        raise bad(str(mismatch)) from mismatch
    return body


def read_json(raw: bytes) -> Any:
    """Parse JSON strictly (no NaN or Infinity); raise Refusal (400) for invalid JSON."""
    try:
        read = json.loads(raw, parse_float=Decimal, parse_constant=_no_constant)
        json.dumps(read, default=str, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise bad(
            "the body contains half of a surrogate pair, which is not a valid character"
        ) from None
    except RecursionError:
        raise bad("the body is nested too deeply") from None
    except (ValueError, ArithmeticError) as error:
        raise bad("the body is not JSON") from error
    return read


def _no_constant(name: str) -> Mapping[str, Any]:
    raise ValueError(name)
