"""Updates of metadata."""


def merge_metadata(stored: dict[str, str], given: dict[str, str] | None) -> dict[str, str]:
    """Return the metadata after an update: None deletes all, an empty value deletes its key."""
    if given is None:
        return {}
    return {key: value for key, value in (stored | given).items() if value != ""}
