"""Reading of .env files."""

from pathlib import Path

from dotenv import dotenv_values

from kit.values.env import SettingsError


def read(file: Path) -> dict[str, str | None]:
    """Return the variables of a file, none if there is no file; raise SettingsError if it can't be read."""
    try:
        return dotenv_values(file)
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file} is not text in UTF-8: save it in this encoding") from error
    except OSError as error:
        raise SettingsError(f"{file} can't be read: {error.strerror}") from error
