"""Runs `esimgo`: `python -m cli`."""

from cli.commands import esimgo

if __name__ == "__main__":
    esimgo(prog_name="esimgo")
