import pytest

from kit.values.env import Env, SettingsError
from services.catalogue.settings import Settings

LEAST = {
    "ESIM_GO_API_KEY": "key-of-a-test",
    "SUPABASE_URL": "http://localhost:54321",
    "SUPABASE_SERVICE_ROLE_KEY": "role-key-of-a-test",
    "CATALOGUE_DATABASE_URL": "postgresql://catalogue_service@localhost/esimgo",
}


def read(**values: str) -> Settings:
    env = Env(LEAST | values)
    settings = Settings.read(env)
    env.finish()
    return settings


def test_by_default_the_catalogue_syncs_hourly_and_refuses_to_shrink() -> None:
    settings = read()
    assert (settings.service.port, settings.sync_seconds) == (50051, 3600)
    assert not settings.allow_shrink


def test_settings_are_read() -> None:
    settings = read(CATALOGUE_SYNC_SECONDS="60", CATALOGUE_ALLOW_SHRINK="true")
    assert (settings.sync_seconds, settings.allow_shrink) == (60, True)


def test_a_missing_key_is_reported() -> None:
    with pytest.raises(SettingsError, match="eSIM Go API key not configured: set ESIM_GO_API_KEY"):
        read(ESIM_GO_API_KEY="")


def test_a_sync_interval_of_a_second_is_refused() -> None:
    with pytest.raises(SettingsError, match="CATALOGUE_SYNC_SECONDS"):
        read(CATALOGUE_SYNC_SECONDS="1")


def test_exchange_rates_are_only_set_by_hand_by_default() -> None:
    assert (read().rates_url, read().rates_seconds) == ("", 6 * 3600)
    settings = read(
        EXCHANGE_RATES_URL="https://rates.example/daily.xml", EXCHANGE_RATES_SECONDS="60"
    )
    assert (settings.rates_url, settings.rates_seconds) == ("https://rates.example/daily.xml", 60)


@pytest.mark.parametrize(
    ("name", "value"),
    [("EXCHANGE_RATES_URL", "file:///etc/passwd"), ("EXCHANGE_RATES_SECONDS", "59")],
)
def test_invalid_settings_of_exchange_rates_are_refused(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read(**{name: value})


def test_secrets_are_redacted_in_logs_and_in_repr() -> None:
    settings = read()
    for secret in ("key-of-a-test", "role-key-of-a-test", LEAST["CATALOGUE_DATABASE_URL"]):
        assert secret in settings.secrets()
        assert secret not in repr(settings)
