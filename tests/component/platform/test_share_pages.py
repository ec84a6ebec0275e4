"""The page behind a share link, as a browser without a session or JavaScript receives it."""

import asyncio
import base64
import io
import logging
import re
from typing import Any
from urllib.parse import urlsplit

import pytest
import zxingcpp
from PIL import Image

from gateway.defence_settings import DefenceSettings
from gateway.documents.work_settings import UNLIMITED
from kit.http.settings import HTTPSettings
from tests.component.platform.traveling import ASSIGN, LINKS, REVOKE, SHOW, Company, company
from tests.fixtures.patience import PATIENCE
from tests.fixtures.platform import Platform

FORM = "application/x-www-form-urlencoded"


async def get(platform: Platform, url: str, **options: Any) -> tuple[int, Any, str]:
    """Load a page, without any header that browsers don't send."""
    client = platform.client
    address = f"{client.url}{urlsplit(url).path}"
    method = "POST" if "data" in options else "GET"
    async with client.http.request(method, address, **options) as answer:
        return answer.status, answer.headers, await answer.text()


async def enter(platform: Platform, url: str, pin: str) -> tuple[int, Any, str]:
    return await get(platform, url, data={"pin": pin})


async def install(company: Company, esim: Any) -> None:
    platform = company.platform
    await platform.provider.control("POST", f"/esims/{esim['iccid']}/install", {})
    await platform.provider.control("POST", "/clock/advance", {"seconds": 400})


async def test_the_page_shows_code_links_and_data(platform: Platform) -> None:
    async with company(platform) as acme:
        esim = await acme.buy()
        made = await acme.share(esim)
        assert made["pin"] is None
        assert re.fullmatch(r"http://localhost:4000/t/[\w-]{22}", made["url"])
        status, headers, text = await get(platform, made["url"])
        assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        image = re.search(r'src="data:image/png;base64,([^"]+)"', text)
        assert image is not None
        (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(base64.b64decode(image[1]))))
        assert code.text == esim["activationCode"]
        for page in ("https://esimsetup.apple.com/", "https://esimsetup.android.com/"):
            assert f'href="{page}esim_qrcode_provisioning?carddata={code.text}"' in text
        assert "1 GB of 1 GB" in text
        assert "Ready to use" in text
        assert esim["id"] not in text
        assert esim["iccid"] not in text


async def test_the_page_runs_no_script_and_is_stored_nowhere(platform: Platform) -> None:
    async with company(platform) as acme:
        made = await acme.share(await acme.buy(), pin=True)
        for page in (
            await get(platform, made["url"]),
            await enter(platform, made["url"], made["pin"]),
            await enter(platform, made["url"], "x"),
            await get(platform, "http://x/t/unknown"),
        ):
            _, headers, text = page
            assert headers["Cache-Control"] == "no-store"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["X-Robots-Tag"].startswith("noindex")
            policy = headers["Content-Security-Policy"].split("; ")
            assert {"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} <= {*policy}
            assert not any(part.startswith(("script-src", "connect-src")) for part in policy)
            assert "<script" not in text
            assert " on" not in re.sub(r">[^<]*<", "><", text), "no event handlers"
            assert "Set-Cookie" not in headers


async def test_names_of_travelers_are_escaped(platform: Platform) -> None:
    async with company(platform) as acme:
        esim = await acme.buy()
        evil = '<img src=x onerror="alert(1)"> & Zoë'
        await acme.client("owner").ask(ASSIGN, esim=esim["id"], traveler={"name": evil})
        made = await acme.share(esim)
        _, _, text = await get(platform, made["url"])
        assert "<img src=x" not in text
        assert "&lt;img src=x onerror=&quot;alert(1)&quot;&gt; &amp; Zoë, here is your eSIM" in text


async def test_the_pin_is_asked_for_and_five_wrong_ones_lock_the_page(platform: Platform) -> None:
    async with company(platform) as acme:
        esim = await acme.buy()
        made = await acme.share(esim, pin=True)
        assert re.fullmatch(r"\d{6}", made["pin"])
        status, _, text = await get(platform, made["url"])
        assert status == 200
        assert '<form method="post"' in text
        assert esim["activationCode"] not in text
        wrong = f"{(int(made['pin']) + 1) % 10**6:06d}"
        status, _, text = await enter(platform, made["url"], wrong)
        assert (status, "4 tries left" in text, esim["activationCode"] in text) == (
            403,
            True,
            False,
        )
        status, _, text = await enter(platform, made["url"], made["pin"])
        assert (status, esim["activationCode"] in text) == (200, True)
        for _ in range(5):
            status, headers, text = await enter(platform, made["url"], wrong)
        assert (status, "try again in 60 minutes" in text) == (429, True)
        assert 3500 < int(headers["Retry-After"]) <= 3600
        status, _, _ = await enter(platform, made["url"], made["pin"])
        assert status == 429
        (link,) = (await acme.client("owner").ask(LINKS, esim=esim["id"])).data["shareLinks"]
        assert (link["status"], link["lockedUntil"] is not None) == ("LOCKED", True)


async def test_an_installed_esim_hides_its_code_until_it_is_shown_again(platform: Platform) -> None:
    async with company(platform) as acme:
        esim = await acme.buy()
        made = await acme.share(esim)
        await install(acme, esim)
        status, _, text = await get(platform, made["url"])
        assert (status, esim["activationCode"] in text) == (200, False)
        assert "data:image/png" not in text
        assert "A device has installed this eSIM" in text
        assert "1 GB of 1 GB" in text
        shown = await acme.client("owner").ask(SHOW, id=made["link"]["id"])
        assert shown.data["showShareLinkCode"]["success"]
        _, _, text = await get(platform, made["url"])
        assert esim["activationCode"] in text


async def test_an_ended_link_says_so(platform: Platform) -> None:
    async with company(platform) as acme:
        esim = await acme.buy()
        made = await acme.share(esim)
        ended = await acme.client("owner").ask(REVOKE, id=made["link"]["id"])
        assert ended.data["revokeShareLink"] == {
            "success": True,
            "code": None,
            "url": None,
            "pin": None,
            "link": {"status": "REVOKED"},
        }
        status, _, text = await get(platform, made["url"])
        assert (status, esim["activationCode"] in text) == (410, False)
        assert "ask the person who sent it for a new one" in text
        status, _, text = await get(platform, "http://x/t/unknown")
        assert (status, "There is no such link" in text) == (404, True)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"data": b"{}", "headers": {"Content-Type": "application/json"}}, 415),
        ({"data": b"pin=" + b"1" * 2_000, "headers": {"Content-Type": FORM}}, 413),
        ({"data": b"pin=%ff%00", "headers": {"Content-Type": FORM}}, 404),
        ({"data": b"", "headers": {"Content-Type": FORM}}, 404),
    ],
)
async def test_odd_forms_are_refused(
    platform: Platform, options: dict[str, Any], expected: int
) -> None:
    status, _, _ = await get(platform, "http://x/t/unknown", **options)
    assert status == expected


async def test_a_form_that_does_not_arrive_is_refused(platform: Platform) -> None:
    head = (
        f"POST /t/unknown HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: 10\r\n\r\n"
    )
    async with platform.another(http=HTTPSettings(body_seconds=0.1)) as client:
        where = urlsplit(client.url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        writer.write(head.encode() + b"pin")
        async with asyncio.timeout(PATIENCE):
            assert (await reader.readline()).split()[1] == b"408"
        writer.transport.abort()


async def test_pages_are_limited_by_address(platform: Platform) -> None:
    # One page at once and the next after 100 s, however slow the machine is.
    defence = DefenceSettings(introspection=True, user_rate=0, address_rate=0.01, work=UNLIMITED)
    async with platform.another(defence=defence) as client:
        statuses = []
        for _ in range(3):
            async with client.http.get(f"{client.url}/t/unknown") as answer:
                statuses.append(answer.status)
                kind = answer.headers["Content-Type"]
        assert statuses == [404, 429, 429]
        assert kind.startswith("text/html")


async def test_no_log_holds_a_token_or_a_pin(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with company(platform) as acme:
        esim = await acme.buy()
        made = await acme.share(esim, pin=True)
        token = made["url"].rpartition("/")[2]
        await get(platform, made["url"])
        await enter(platform, made["url"], "000000x")
        await enter(platform, made["url"], made["pin"])
        await get(platform, f"{made['url']}x")
    # `kit.logs.log` silences the access log, which contains the address of every request.
    logged = [r.getMessage() for r in caplog.records if r.name != "aiohttp.access"]
    assert logged
    assert not [line for line in logged if token in line]
    assert not [line for line in logged if re.search(rf"\b{made['pin']}\b", line)]
