"""Variables without effect are reported, with the nearest known name."""

from pathlib import Path

import pytest

from cli.config import variables
from cli.doctor.examine import examine

KNOWN = variables.known()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("GATEWAY_CORS_ORIGIN", "GATEWAY_CORS_ORIGINS"),
        ("ESIMGO_API_KEY", "ESIM_GO_API_KEY"),
        ("ESIM_GO_APIKEY", "ESIM_GO_API_KEY"),
        ("SUPBASE_URL", "SUPABASE_URL"),
        ("gateway_port", "GATEWAY_PORT"),
        ("REDIS_URI", "REDIS_URL"),
        ("LOGLEVEL", "LOG_LEVEL"),
        ("ORDERS_HISTORY_DAY", "ORDERS_HISTORY_DAYS"),
        ("ESIM_GO_API_KEY_FLE", "ESIM_GO_API_KEY_FILE"),
    ],
)
def test_a_misspelled_name_is_reported_with_the_nearest_known_one(name: str, meant: str) -> None:
    [found] = variables.misspelled({name: "x"}, ".env", KNOWN)
    assert (found.name, found.nearest) == (name, meant)
    assert str(found) == (
        f"{name} in .env is not a known variable and has no effect: did you mean {meant}?"
    )


@pytest.mark.parametrize(
    "name", ["VITE_SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_URL", "NODE_ENV", "PATH", "STRIPE_KEY"]
)
def test_variables_of_other_programs_are_left_alone(name: str) -> None:
    assert variables.misspelled({name: "x"}, ".env", KNOWN) == []


@pytest.mark.parametrize("name", [*sorted(KNOWN)])
def test_a_known_name_is_not_reported(name: str) -> None:
    assert variables.misspelled({name: "x"}, ".env", KNOWN) == []


def test_the_file_and_the_environment_are_both_checked(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("SUPABASE_URLS=secret-value\nGATEWAY_PORT=4000\n")
    found = variables.in_use({"ORDERS_PRTO": "", "ORDERS_PROT": "1", "BASH": "x"}, file)
    assert [(one.name, one.place) for one in found] == [
        ("SUPABASE_URLS", ".env"),
        ("ORDERS_PRTO", "the environment"),
        ("ORDERS_PROT", "the environment"),
    ]
    assert "secret-value" not in " ".join(map(str, found))


async def test_the_doctor_reports_a_misspelled_name_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GATEWAY_CORS_ORIGN", "https://shop.example")
    monkeypatch.setenv("SUPABASE_URL", "https://only-one-of-three.supabase.co")  # ends it early
    texts = [str(finding) async for finding in examine()]
    assert any(
        text.startswith("WRONG  GATEWAY_CORS_ORIGN in the environment")
        and "-> rename it to GATEWAY_CORS_ORIGINS, or remove it" in text
        for text in texts
    )
