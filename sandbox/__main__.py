"""Runs the provider's stand-in: `python -m sandbox`."""

from sandbox.command import main

if __name__ == "__main__":
    main(prog_name="sandbox")
