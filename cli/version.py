"""The platform's version. A copy of that in pyproject.toml, which the image does not contain."""

VERSION = "0.2.0"
