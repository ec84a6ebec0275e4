"""A dead letter from its creation to its replay, and the other operator commands."""

import re
from pathlib import Path

import pytest

from kit.errors import Failure, Kind
from protos.webhooks.v1 import webhooks_pb2 as pb
from tests.component.webhooks.conftest import Platform
from tests.component.webhooks.operating import STRANGE, ask, attached, esimgo, measured
from tests.fixtures.local import command


async def test_commands_run_with_only_the_environment_of_a_container(
    platform: Platform, tmp_path: Path
) -> None:
    """The environment of the webhook process in a cluster: secrets in files, no writable home."""
    key = tmp_path / "key"
    key.write_text(platform.auth.service_role_key)
    environment = {
        "SUPABASE_URL": platform.auth.url,
        "WEBHOOKS_DATABASE_URL_FILE": "/proc/no/such/file",
        "ESIM_GO_BASE_URL": "http://localhost:1",
        "WEBHOOKS_ADMIN_PORT": str(platform.admin_port),
    }
    secret = {"SUPABASE_SERVICE_ROLE_KEY_FILE": str(key)}
    done = await command.esimgo("webhooks", "stats", **environment, **secret)
    assert done.returncode == 0, done.stderr
    assert "oldest pending" in done.stdout

    without = await command.esimgo("webhooks", "stats", **environment)
    assert without.returncode == 2
    assert "set SUPABASE_SERVICE_ROLE_KEY" in without.stderr


async def test_a_callback_can_not_control_the_terminal_that_shows_it(platform: Platform) -> None:
    event = await platform.post.send(b"\x1b]0;owned\x07\xc2\x9b31m\xe2\x80\xae{}\r\n\tx")
    for options in ((), ("--json",)):
        shown = await esimgo(platform, "show", event, *options)
        assert not re.search("[\x1b\x07\x9b\u202e]", shown)
        assert r"\u001b]0;owned\u0007\u009b31m\u202e{}" in shown


async def test_a_dead_letter_is_listed_and_replayed_after_a_fix(platform: Platform) -> None:
    esim = await platform.esim()
    admin = platform.databases.admin
    await admin.execute("revoke update on esims.esims from esims_system")
    event = await platform.post.send(attached(esim.iccid))
    row = await platform.post.settled(event, "DEAD")
    assert (row["attempts"], row["last_error"]) == (3, "InsufficientPrivilegeError")

    gauges = await measured(platform)
    assert gauges["esimgo_webhooks_events", "DEAD"] == 1
    assert gauges["esimgo_webhooks_oldest_pending_seconds", ""] == 0
    stats = await esimgo(platform, "stats")
    assert re.search(r"FirstAttachment +0 +0 +1 +0 +0\n", stats)
    listed = await esimgo(platform, "list", "--state", "dead", "--iccid", esim.iccid)
    assert event in listed
    assert "InsufficientPrivilegeError" in listed
    shown = await esimgo(platform, "show", event)
    assert '"FirstAttachment"' in shown

    await admin.execute("grant update on esims.esims to esims_system")
    replayed = await esimgo(platform, "replay", "--state", "dead")
    assert replayed == "1 callbacks queued for delivery\n"
    await platform.post.settled(event)
    assert (await platform.row(esim))["status"] == "ACTIVE"
    assert (await measured(platform))["esimgo_webhooks_events", "DEAD"] == 0


async def test_only_administrators_may_call_operator_methods(platform: Platform) -> None:
    customer = await platform.auth.token("ada@example.com")
    for method in ("ListEvents", "GetEvent", "ReplayEvents", "GetStats"):
        request = getattr(pb, f"{method}Request")()
        for token, kind in ((None, Kind.UNAUTHENTICATED), (customer, Kind.FORBIDDEN)):
            with pytest.raises(Failure) as caught:
                await ask(platform, method, request, token)
            assert caught.value.kind is kind
    admin = await platform.auth.token("root@example.com", admin=True)
    assert (await ask(platform, "GetStats", pb.GetStatsRequest(), admin)).stored == 0


async def test_lists_have_pages_and_filters_and_contain_no_activation_code(
    platform: Platform,
) -> None:
    admin = await platform.auth.token("root@example.com", admin=True)
    sent = [await platform.post.send(attached(STRANGE) | {"n": str(n)}) for n in range(3)]
    code = {"iccid": STRANGE, "qr_code": "LPA:1$a.example$SECRET"}
    secret = await platform.post.send({"event": "esim.assigned", "data": code})
    first = await ask(platform, "ListEvents", pb.ListEventsRequest(page_size=3), admin)
    rest = await ask(
        platform,
        "ListEvents",
        pb.ListEventsRequest(page_size=3, page_token=first.next_page_token),
        admin,
    )
    assert [e.id for e in (*first.events, *rest.events)] == [secret, *reversed(sent)]
    assert rest.next_page_token == ""
    wanted = pb.EventFilter(types=["esim.assigned"], iccid=STRANGE)
    (found,) = (
        await ask(platform, "ListEvents", pb.ListEventsRequest(filter=wanted), admin)
    ).events
    shown = await ask(platform, "GetEvent", pb.GetEventRequest(event_id=found.id), admin)
    assert "[activation code]" in shown.body
    assert "SECRET" not in str(shown)


async def test_statistics_are_bounded_for_any_number_of_invented_types(
    platform: Platform,
) -> None:
    for number in range(40):
        await platform.post.send({"event": f"made.up.{number}"})
    await platform.post.send({"alertType": "FirstAttachment", "iccid": STRANGE})
    stats = await esimgo(platform, "stats")
    assert "made.up" not in stats
    assert re.search(r"^unknown +0 +0 +0 +40 +0$", stats, re.MULTILINE)
    assert stats.count("FirstAttachment") == 1


async def test_a_replay_requires_a_selection(platform: Platform) -> None:
    admin = await platform.auth.token("root@example.com", admin=True)
    with pytest.raises(Failure) as caught:
        await ask(platform, "ReplayEvents", pb.ReplayEventsRequest(), admin)
    assert "filter" in caught.value.fields


async def test_an_unknown_type_can_be_replayed_once_it_is_supported(platform: Platform) -> None:
    admin = await platform.auth.token("root@example.com", admin=True)
    esim = await platform.esim()
    event = await platform.post.send(attached(esim.iccid))
    # As an older version left it that did not know the type.
    await platform.post.settled(event)
    await platform.databases.admin.execute(
        "update webhooks.deliveries set owner = null, state = 'KEPT'"
    )
    new = await platform.post.send({"event": "brand.new"})
    request = pb.ReplayEventsRequest(filter=pb.EventFilter(states=[pb.DELIVERY_STATE_KEPT]))
    answer = await ask(platform, "ReplayEvents", request, admin)
    assert (answer.replayed, answer.not_understood) == (1, 1)
    await platform.post.settled(event)
    assert (await platform.post.delivery(new))["state"] == "KEPT"
