"""Files of price lists and rules: JSON with the names of the GraphQL schema, to messages and back."""

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from cli.errors import CommandError
from protos.catalogue.v1 import prices_pb2 as pb

# Names that differ from the protocol's in camelCase.
NAMES = {"lists": "priceLists", "min_data_mb": "minDataMB", "max_data_mb": "maxDataMB"}
# What `show --json` prints beside the lists and rules; a file may contain it.
IGNORED = frozenset({"version", "note", "createdBy", "createdAt"})
# Maximum number of digits of an integer; Python converts up to 4,300.
DIGITS = 100
SNAKE = re.compile(r"[a-z]+(?:_[a-z]+)*")
WHOLE = frozenset({FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64})
MOST = {FieldDescriptor.TYPE_INT32: 2**31 - 1, FieldDescriptor.TYPE_INT64: 2**63 - 1}


class _WrongError(Exception):
    """A wrong value in a file; the text begins with its path."""


def read(path: Path) -> pb.PriceRuleSet:
    """Return the lists and rules of a file; raise CommandError, which names the line or the field."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        problem = getattr(error, "strerror", None) or error
        raise CommandError(f"{path} can't be read: {problem}") from error
    try:
        return parse(text)
    except json.JSONDecodeError as error:
        raise CommandError(
            f"{path}, line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}"
        ) from error
    except _WrongError as error:
        raise CommandError(f"{path}: {error}") from error
    except RecursionError as error:
        raise CommandError(f"{path}: nested too deeply") from error


def parse(text: str) -> pb.PriceRuleSet:
    """Return the lists and rules of a JSON text."""
    content = json.loads(
        text,
        parse_int=_integer,
        parse_float=_number,
        parse_constant=_refuse,
        object_pairs_hook=_object,
    )
    if not isinstance(content, dict):
        raise _WrongError('must be an object: {"priceLists": [...], "rules": [...]}')
    whole = pb.PriceRuleSet()
    known = {name_of(field): field for field in _fields(whole, ("lists", "rules"))}
    _fill(whole, {k: v for k, v in content.items() if k not in IGNORED}, known, "")
    return whole


def document(rule_set: pb.PriceRuleSet) -> dict[str, Any]:
    """Return lists and rules as a file contains them, without fields that are not set."""
    return {
        "priceLists": [_plain(one) for one in rule_set.lists],
        "rules": [_plain(one) for one in rule_set.rules],
    }


def path_of(path: str) -> str:
    """Return the path of a field of a message, such as lists[0].min_margin, as files name it."""
    return SNAKE.sub(lambda found: _renamed(found[0]), path)


def name_of(field: FieldDescriptor) -> str:
    """Return a field's name in a file."""
    return _renamed(field.name)


def _renamed(name: str) -> str:
    first, *rest = name.split("_")
    return NAMES.get(name) or first + "".join(part.capitalize() for part in rest)


def _refuse(constant: str) -> Any:
    raise _WrongError(f"{constant} is not a number")


def _integer(text: str) -> int:
    if len(text) > DIGITS:
        raise _WrongError(f"the number {text[:DIGITS]}... is too long")
    return int(text)


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation as error:
        raise _WrongError(f"the number {text[:DIGITS]} has too large an exponent") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _WrongError(f"an object contains the field {twice} twice")
    return found


def _fields(message: Message, names: Iterable[str]) -> list[Any]:
    return [message.DESCRIPTOR.fields_by_name[name] for name in names]


def _fill(
    message: Message, given: Mapping[str, Any], known: Mapping[str, FieldDescriptor], path: str
) -> None:
    for name, value in given.items():
        at = f"{path}.{name}" if path else name
        field = known.get(name)
        if field is None:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else "."
            raise _WrongError(f"{at} is unknown{hint} Known fields: {', '.join(known)}")
        if value is None:
            continue
        if not field.is_repeated:
            _set(message, field, value, at)
            continue
        if not isinstance(value, list):
            raise _WrongError(f"{at} must be a list")
        for index, item in enumerate(value):
            _set(message, field, item, f"{at}[{index}]")


def _set(message: Message, field: FieldDescriptor, value: Any, at: str) -> None:
    """Set a field, or append to a repeated one."""
    kind = field.message_type
    if kind is not None:
        if not isinstance(value, dict):
            raise _WrongError(f"{at} must be an object")
        into = getattr(message, field.name)
        inner = into.add() if field.is_repeated else into
        inner.SetInParent()
        _fill(inner, value, {name_of(one): one for one in kind.fields}, at)
        return
    converted = _leaf(field, value, at)
    if field.is_repeated:
        getattr(message, field.name).append(converted)
    else:
        setattr(message, field.name, converted)


def _leaf(field: FieldDescriptor, value: Any, at: str) -> Any:
    if field.enum_type is not None:
        return _number_of(field.enum_type, value, at)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _checked(isinstance(value, bool), value, at, "true or false")
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    if field.type in WHOLE:
        # Compared before it is converted: the int of 1e999999999 would fill the memory.
        most = MOST[field.type]
        fits = is_number and -most <= value <= most and value == int(value)
        return int(_checked(fits, value, at, "a whole number"))
    # Amounts may be numbers too: they are read exactly as they are written.
    text = str(_checked(isinstance(value, str) or is_number, value, at, "a text or a number"))
    try:
        text.encode()
    except UnicodeEncodeError as error:  # half of a pair, such as "\\ud83d"
        raise _WrongError(f"{at} must be valid Unicode text") from error
    return text


def _checked(fits: bool, value: Any, at: str, wanted: str) -> Any:
    if not fits:
        raise _WrongError(f"{at} must be {wanted}, not {json.dumps(value, default=str)}")
    return value


def _number_of(kind: EnumDescriptor, value: Any, at: str) -> int:
    prefix = kind.values[0].name.removesuffix("UNSPECIFIED")
    names = {one.name.removeprefix(prefix): one.number for one in kind.values[1:]}
    name = value.removeprefix(prefix) if isinstance(value, str) else value
    if not isinstance(name, str) or name not in names:
        wanted = f"one of {', '.join(names)}"
        raise _WrongError(f"{at} must be {wanted}, not {json.dumps(value, default=str)}")
    return names[name]


def _plain(message: Message) -> dict[str, Any]:
    convert: Callable[[FieldDescriptor, Any], Any] = _value
    return {
        name_of(field): [convert(field, one) for one in value]
        if field.is_repeated
        else convert(field, value)
        for field, value in message.ListFields()
    }


def _value(field: FieldDescriptor, value: Any) -> Any:
    if field.message_type is not None:
        return _plain(value)
    if field.enum_type is None:
        return value
    known = field.enum_type.values_by_number.get(value)
    prefix = field.enum_type.values[0].name.removesuffix("UNSPECIFIED")
    return value if known is None else known.name.removeprefix(prefix)
