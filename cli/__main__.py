"""Runs `esimgo`: `python -m cli`."""

import io
import sys

from cli.commands import esimgo

if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Names of files and of customers may have characters that the output's encoding lacks.
        sys.stdout.reconfigure(errors="backslashreplace")
    esimgo(prog_name="esimgo")
