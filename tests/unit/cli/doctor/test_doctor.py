from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from importlib import metadata
from pathlib import Path

import pytest

from cli.config.settings import load
from cli.doctor.catalogue import findings
from cli.doctor.finding import Finding
from cli.doctor.machine import packages, processes
from cli.doctor.neighbours import clock, database
from migrations import runner
from protos.catalogue.v1 import catalogue_pb2 as pb

NOW = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)


@pytest.mark.parametrize("seconds", [-9, 0, 9])
def test_clocks_that_nearly_agree_are_fine(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert clock("https://them", date, NOW).remedy is None


@pytest.mark.parametrize(("seconds", "word"), [(-90, "90 s ahead of"), (90, "90 s behind")])
def test_a_wrong_clock_is_reported_with_its_direction(seconds: int, word: str) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    finding = clock("https://them", date, NOW)
    assert word in finding.text
    assert finding.remedy is not None


@pytest.mark.parametrize("date", [None, "yesterday"])
def test_a_response_without_a_time_is_not_reported(date: str | None) -> None:
    assert clock("https://them", date, NOW).remedy is None


def test_packages_that_match_the_lock_file_are_fine(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text(
        f"aiohttp=={metadata.version('aiohttp')} \\\n    --hash=sha256:00\n    # via esimgo\n"
        "pywin32==312 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n"
    )
    assert packages(lock).remedy is None


def test_an_outdated_and_a_missing_package_are_reported(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    lock.write_text("aiohttp==0.1 \\\n    --hash=sha256:00\nno-such-package==1.0 \\\n")
    finding = packages(lock)
    assert "aiohttp" in finding.text
    assert "no-such-package none, not 1.0" in finding.text
    assert "make" in str(finding.remedy)


def test_a_missing_key_is_reported_for_each_process_that_needs_it() -> None:
    texts = [str(finding) for finding in processes({})]
    assert any("orders: eSIM Go API key not configured: set ESIM_GO_API_KEY" in t for t in texts)
    assert any("-> set ESIM_GO_API_KEY in the environment or in .env" in t for t in texts)
    assert not any(t.startswith("WRONG  gateway: eSIM Go API key") for t in texts)


def test_the_remedy_of_a_finding_is_on_a_separate_line() -> None:
    assert str(Finding("all is well")) == "OK     all is well"
    assert str(Finding("no key", "set it")) == "WRONG  no key\n       -> set it"


def test_the_last_sync_is_reported_with_the_records_that_it_skipped() -> None:
    fine = pb.SyncStatus(plan_count=8)
    assert [f.remedy for f in findings(pb.GetSyncStatusResponse(last=fine))] == [None]
    assert findings(pb.GetSyncStatusResponse())[0].remedy is None

    odd = [f"bundle esim_{letter} has no price" for letter in "abcde"]
    skipped = pb.SyncStatus(plan_count=8, skipped=5, withheld=4, problems=odd)
    [finding] = findings(pb.GetSyncStatusResponse(last=skipped))
    assert "5 records of the provider's catalogue can't be used, so 4 plans" in finding.text
    assert "esim_a" in finding.text
    assert finding.text.endswith("esim_c has no price and 2 more")
    assert finding.remedy is not None

    failed = pb.SyncStatus(error="The provider is away.")
    [finding] = findings(pb.GetSyncStatusResponse(last=failed))
    assert "The provider is away." in finding.text
    assert finding.remedy is not None


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (
            "the database at db can't be reached: could not write init file: No space left on device",
            "disk",
        ),
        ("the database at db can't be reached: the password is wrong", "login"),
    ],
)
async def test_an_unreachable_database_has_a_remedy_that_fits(
    error: str, remedy: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def pending(url: str) -> list[str]:
        raise runner.UnreachableError(error)

    monkeypatch.setattr(runner, "pending", pending)
    values = {"DATABASE_URL": "postgresql://postgres@db/postgres", "ESIMGO_HOME": str(tmp_path)}
    finding = await database(load(values), None, running=True)
    assert finding.text == error
    assert remedy in (finding.remedy or "")
