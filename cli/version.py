"""The platform's version, as pyproject.toml has it, which is not in the image."""

VERSION = "0.2.0"
