"""Operations of the admin API: time, phones, money, catalogue."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sandbox.api.call import find_esim
from sandbox.control import views
from sandbox.control.body import Body
from sandbox.state import callbacks, device, topups
from sandbox.state.bundles import MEGABYTE, CatalogueError
from sandbox.state.clock import ClockError, read_instant, written
from sandbox.state.records import Esim
from sandbox.state.refusal import Refusal, bad
from sandbox.state.timers import settle
from sandbox.state.world import World

_UNITS = ("seconds", "minutes", "hours", "days")


def advance_clock(world: World, body: Body) -> dict[str, Any]:
    """POST clock/advance: by seconds, minutes, hours, days (added up), or to a time."""
    steps = {unit: body.number(unit) for unit in _UNITS}
    to = body.text("to")
    body.done()
    now = settle(world)
    try:
        if to is not None:
            step = read_instant(to) - now
        else:
            step = timedelta(**{unit: float(count) for unit, count in steps.items() if count})
        if step == timedelta() and to is None:
            raise bad("specify the time with seconds, minutes, hours, days, or to")
        world.clock.advance(step)
    except (ClockError, OverflowError, ValueError) as error:
        raise bad(f"the clock can't be set: {error}") from error
    return {"now": written(settle(world))}


def freeze_clock(world: World, body: Body) -> dict[str, Any]:
    """POST clock/freeze: time stops until it is advanced or released."""
    body.done()
    world.clock.freeze()
    return {"now": written(settle(world))}


def release_clock(world: World, body: Body) -> dict[str, Any]:
    """POST clock/release: time continues from where it stopped."""
    body.done()
    world.clock.release()
    return {"now": written(settle(world))}


def _install(world: World, esim: Esim, body: Body, at: datetime) -> None:
    body.done()
    device.install(world, esim, at)


def _remove(world: World, esim: Esim, body: Body, at: datetime) -> None:
    body.done()
    device.remove(world, esim, at)


def _attach(world: World, esim: Esim, body: Body, at: datetime) -> None:
    country = body.text("country")
    body.done()
    device.attach(world, esim, country, at)


def _move(world: World, esim: Esim, body: Body, at: datetime) -> None:
    country = body.required("country")
    body.done()
    device.attach(world, esim, country, at)


def _policy_suspend(_world: World, esim: Esim, body: Body, _at: datetime) -> None:
    body.done()
    if esim.state == "deactivated":
        raise Refusal(409, "The eSIM has been deactivated.")
    esim.state = "suspended"
    esim.policy_suspended = True


def _policy_lift(_world: World, esim: Esim, body: Body, _at: datetime) -> None:
    body.done()
    if not esim.policy_suspended:
        raise Refusal(409, "The eSIM is not suspended by policy.")
    esim.state = "active"
    esim.policy_suspended = False


def _unavailable(_world: World, esim: Esim, body: Body, _at: datetime) -> None:
    body.done()
    if esim.state == "deactivated":
        raise Refusal(409, "The eSIM has been deactivated.")
    esim.profile_status = "Unavailable"


_ESIM_ACTS: Mapping[str, Callable[[World, Esim, Body, datetime], None]] = {
    "install": _install,
    "remove": _remove,
    "attach": _attach,
    "move-country": _move,
    "policy-suspend": _policy_suspend,
    "policy-lift": _policy_lift,
    "unavailable": _unavailable,
}


def act_on_esim(world: World, iccid: str, act: str, body: Body) -> dict[str, Any]:
    """POST esims/{iccid}/{act}; returns the changed eSIM."""
    esim = find_esim(world, iccid)
    at = settle(world)
    if act == "use-data":
        return _use_data(world, esim, body, at)
    if act not in _ESIM_ACTS:
        known = ", ".join(sorted([*_ESIM_ACTS, "use-data"]))
        raise Refusal(404, f"an eSIM can {known}")
    _ESIM_ACTS[act](world, esim, body, at)
    return views.esim(world, esim)


def _use_data(world: World, esim: Esim, body: Body, at: datetime) -> dict[str, Any]:
    megabytes, amount = body.number("megabytes"), body.whole("bytes")
    country = body.text("country")
    body.done()
    if (megabytes is None) == (amount is None):
        raise bad("specify the amount with megabytes or bytes")
    wanted = int(megabytes * MEGABYTE) if megabytes is not None else amount or 0
    if wanted <= 0:
        raise bad("the amount must be more than 0")
    served = device.use_data(world, esim, wanted, country, at)
    return {
        "wanted": wanted,
        "served": sum(part.bytes for part in served),
        "parts": [asdict(part) for part in served],
        "esim": views.esim(world, esim),
    }


def set_balance(world: World, body: Body) -> dict[str, Any]:
    """POST balance: `set` it, or `add` to it as a top-up of the kind `as`."""
    amount, added = body.number("set"), body.number("add")
    kind = body.text("as", topups.Kind.PROVIDER)
    body.done()
    if (amount is None) == (added is None):
        raise bad("give either set or add")
    at = settle(world)
    if amount is not None:
        rises = amount > world.account.balance
        world.book("set", amount - world.account.balance, "", at)
        if rises:
            callbacks.balance_rose(world)
        else:
            callbacks.balance_fell(world, at)
    else:
        if kind not in list(topups.Kind):
            raise bad(f"as must be one of {', '.join(topups.Kind)}")
        if added is None or added <= 0:
            raise bad("add must be more than 0")
        topups.top_up(world, topups.Kind(kind), added, "", at)
    return {"balance": world.account.balance}


def change_catalogue(world: World, act: str, body: Body) -> dict[str, Any]:
    """POST catalogue/price, catalogue/withdraw, catalogue/add."""
    try:
        if act == "add":
            return {"added": world.catalogue.put_on_sale(body.rest()).name}
        name = body.required("name")
        if act == "price":
            price = body.number("price")
            if price is None or price < 0:
                raise bad("price must be 0 or more")
            body.done()
            world.catalogue.reprice(name, Decimal(price))
            return {"name": name, "price": price}
        if act == "withdraw":
            body.done()
            world.catalogue.withdraw(name)
            return {"withdrawn": name}
    except CatalogueError as error:
        raise bad(str(error)) from error
    raise Refusal(404, "a catalogue change supports price, withdraw and add")


def set_rates(world: World, body: Body) -> dict[str, Any]:
    """POST rates: `rates` by currency (null: left out), `day` or "today", `content`, `status`."""
    changes, day = body.members("rates"), body.text("day")
    content, status = body.text("content"), body.whole("status")
    body.done()
    if status is not None and not 200 <= status <= 599:
        raise bad("status must be from 200 to 599")
    daily = world.daily_rates
    for currency, rate in changes.items():
        daily.change(currency, None if rate is None else str(rate))
    if day is not None:
        daily.day = "" if day == "today" else day
    if content is not None:
        daily.content = content
    if status is not None:
        daily.status = status
    return views.rates(world)
