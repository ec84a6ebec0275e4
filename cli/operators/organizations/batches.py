"""Operations of `esimgo batches`: a member's sheets, batches and downloads, through the gateway."""

import hashlib
import json
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from cli.config.access import Access
from cli.errors import CommandError
from cli.operators import output

# Seconds. A file of 2,000 eSIMs takes some minutes.
TIMEOUT = aiohttp.ClientTimeout(total=600, connect=10)
BATCH = """id name status statusReason expectedTotal spentTotal currency estimatedEnd
    counts { items pending processing delivered failed cancelled esims esimsDelivered }"""
SHOW = f"query($id: ID!) {{ batch(id: $id) {{ {BATCH} }} }}"
TITLES = ("line", "traveler", "plan", "price", "", "what is wrong")


@dataclass(frozen=True, slots=True)
class Buying:
    """For whom a sheet is bought, and within which limits. None is left out; empty texts are refused."""

    organization: str | None = None
    group: str | None = None
    currency: str | None = None
    max_total: str | None = None

    def fields(self) -> dict[str, str]:
        """Return the fields of the form and of BatchInput, which have the same names."""
        fields = {
            "organizationId": self.organization,
            "groupId": self.group,
            "currency": self.currency,
            "maxTotal": self.max_total,
        }
        return {name: text for name, text in fields.items() if text is not None}


@dataclass(frozen=True, slots=True)
class Batches:
    """The gateway, called as one member. Methods return lines to print, and raise CommandError."""

    http: aiohttp.ClientSession
    url: str
    token: str = field(repr=False)
    as_json: bool = False

    async def validate(self, sheet: Path, buying: Buying) -> tuple[list[str], bool]:
        """Check every row of a sheet; the second value is true if all can be bought."""
        found = await self._validate(sheet, buying)
        lines = output.document(found) if self.as_json else report(found)
        return lines, bool(found["acceptable"]) and not found["invalidRows"]

    async def create(
        self, sheet: Path, buying: Buying, *, name: str, key: str, skip_invalid: bool
    ) -> list[str]:
        """Buy the rows of a sheet as a batch; without `skip_invalid` only if all can be bought."""
        found = await self._validate(sheet, buying)
        if found["invalidRows"] and not skip_invalid:
            raise CommandError("nothing was bought\n" + "\n".join(report(found)))
        fields = buying.fields() | {
            "name": name or _name(sheet),
            "errorPolicy": "SKIP_FAILED" if skip_invalid else "REJECT_ALL",
            "idempotencyKey": key or _digest(sheet, buying),
        }
        return self._batch((await self._send("/batches", sheet, fields))["batch"])

    async def show(self, batch_id: str) -> list[str]:
        """Show a batch with its counts."""
        return self._batch((await self._graphql(SHOW, id=batch_id))["batch"])

    async def download(self, batch_id: str, kind: str, target: Path) -> list[str]:
        """Write the eSIMs of a batch to a new file that only its owner can read."""
        if os.access(target, os.F_OK):  # before the gateway records that activation codes were read
            raise _exists(target)
        try:
            handle, part = _new_part(target)
        except OSError as error:
            raise CommandError(f"can't write {target}: {error.strerror}") from error
        try:
            with os.fdopen(handle, "wb") as file:
                url = f"{self.url}/batches/{batch_id}/esims.{kind}"
                async with self.http.get(url, headers=self._headers()) as answer:
                    if answer.status != 200:
                        raise _refused(await answer.read(), answer.status)
                    async for piece in answer.content.iter_any():
                        file.write(piece)
            os.link(part, target)  # unlike a rename, it replaces no file
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CommandError("the download broke off; try again") from error
        except FileExistsError as error:
            raise _exists(target) from error
        except OSError as error:
            raise CommandError(f"can't write {target}: {error.strerror}") from error
        finally:
            part.unlink(missing_ok=True)
        return [f"{target}: anyone who has this file can install the eSIMs; keep it secret"]

    async def _validate(self, sheet: Path, buying: Buying) -> dict[str, Any]:
        return await self._send("/batches/csv", sheet, buying.fields())

    async def _send(self, path: str, sheet: Path, fields: Mapping[str, str]) -> dict[str, Any]:
        form = aiohttp.FormData()
        form.add_field("sheet", _content(sheet), filename=_name(sheet), content_type="text/csv")
        for name, text in fields.items():
            form.add_field(name, text)
        url = f"{self.url}{path}"
        return await self._answer(self.http.post(url, data=form, headers=self._headers()))

    async def _graphql(self, query: str, **variables: Any) -> dict[str, Any]:
        body = {"query": query, "variables": variables}
        url = f"{self.url}/graphql"
        answer = await self._answer(self.http.post(url, json=body, headers=self._headers()))
        if answer.get("errors"):
            raise _failed(answer)
        found: dict[str, Any] = answer["data"]
        return found

    async def _answer(self, request: Any) -> dict[str, Any]:
        try:
            async with request as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise CommandError(
                f"the gateway does not answer at {self.url}: start it, or set GATEWAY_URL"
            ) from error
        if answer.status != 200:
            raise _refused(body, answer.status)
        found: dict[str, Any] = json.loads(body)
        return found

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def _batch(self, batch: Mapping[str, Any]) -> list[str]:
        if self.as_json:
            return output.document(batch)
        counts = batch["counts"]
        rows = [
            ("batch", batch["id"]),
            ("name", batch["name"] or ""),
            ("status", " ".join(filter(None, (batch["status"], batch["statusReason"])))),
            ("rows", f"{counts['delivered']} of {counts['items']} delivered"),
            ("", f"{counts['failed']} failed, {counts['cancelled']} cancelled"),
            ("eSIMs", f"{counts['esimsDelivered']} of {counts['esims']} delivered"),
            ("cost", f"{batch['expectedTotal']} {batch['currency']}"),
            ("spent", f"{batch['spentTotal']} {batch['currency']}"),
            ("estimated end", _to_the_second(batch["estimatedEnd"])),
        ]
        return [f"{name:15}{text}" for name, text in rows if text]


def _to_the_second(at: str | None) -> str:
    """Shorten a time as the gateway writes it, such as 2026-11-30T13:10:53.842927Z."""
    return f"{at[:19]}Z" if at else ""


def _exists(target: Path) -> CommandError:
    return CommandError(f"{target} exists; name another file with --output")


def _new_part(target: Path) -> tuple[int, Path]:
    """Create a file beside the target that only its owner can read; never use one that exists."""
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    return handle, Path(name)


def report(found: Mapping[str, Any]) -> list[str]:
    """Return the rows of a validated sheet that have faults or warnings, and the sums."""
    rows = [
        (*_row(row, found["currency"]), kind, _said(problem))
        for row in found["rows"]
        for kind, problems in (("error", row["errors"]), ("warning", row["warnings"]))
        for problem in problems
    ]
    lines = output.table(TITLES, rows, "every row can be bought")
    lines += [f"the batch: {_said(problem)}" for problem in found["problems"]]
    if found["ignoredColumns"]:
        lines.append(f"columns that are not read: {', '.join(found['ignoredColumns'])}")
    minutes = -(-found["estimatedSeconds"] // 60) or 1
    total = f"{found['total'] or 0} {found['currency'] or ''}".rstrip()
    lines.append(
        f"{len(found['rows'])} rows, {found['invalidRows']} with errors; {found['esims']} eSIMs in"
        f" {found['orders']} orders for {total}, about {minutes} min"
    )
    return lines


def _row(row: Mapping[str, Any], currency: str | None) -> tuple[str, str, str, str]:
    traveler = (row["item"] or {}).get("traveler", {})
    price = f"{row['totalPrice']} {currency}" if row["totalPrice"] else ""
    name = traveler.get("name") or traveler.get("email") or ""
    return str(row["line"]), name, row["planTitle"] or "", price


def _said(problem: Mapping[str, str | None]) -> str:
    message = problem["message"] or ""
    name = problem["field"]
    return message if not name or message.startswith(f"{name}:") else f"{name}: {message}"


def _content(sheet: Path) -> bytes:
    try:
        return sheet.read_bytes()
    except OSError as error:
        raise CommandError(f"can't read {sheet}: {error.strerror}") from error


def _name(sheet: Path) -> str:
    """Return the name of a file, with a question mark for each byte that is not valid UTF-8."""
    return sheet.name.encode("utf-8", "replace").decode()


def _digest(sheet: Path, buying: Buying) -> str:
    """Return a key by which a repeated command buys nothing twice."""
    context = json.dumps(buying.fields(), sort_keys=True).encode()
    return f"sheet:{hashlib.sha256(context + _content(sheet)).hexdigest()}"


def _refused(body: bytes, status: int) -> CommandError:
    try:
        return _failed(json.loads(body))
    except (ValueError, KeyError, TypeError, IndexError):
        return CommandError(f"the gateway answered with status {status}; check GATEWAY_URL")


def _failed(answer: Mapping[str, Any]) -> CommandError:
    error = answer["errors"][0]
    extensions = error["extensions"]
    detail = extensions.get("detail")
    text = f"{error['message']}: {detail}" if detail else error["message"]
    return CommandError(f"{text} [{extensions.get('reason', extensions['code'])}]")


@asynccontextmanager
async def open_batches(
    access: Access, token: str | None, *, as_json: bool
) -> AsyncIterator[Batches]:
    """Open a connection to the gateway as the member with this access token or API key."""
    if not token:
        raise CommandError(
            "there is no session of a member: give --token, or set ESIMGO_TOKEN, such as to what"
            " `esimgo token --email ADDRESS` prints",
            2,
        )
    async with aiohttp.ClientSession(timeout=TIMEOUT) as http:
        yield Batches(http, access.gateway.rstrip("/"), token, as_json)
