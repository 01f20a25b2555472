"""`python -m vmstate` is the command `vmstate`."""

from vmstate.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
