"""Of the Pythons that are given by name, the lowest and the newest that are there and new enough: pythons.py NAME..."""

import subprocess
import sys

LOWEST = (3, 11)


def main() -> None:
    """Print one name, or two."""
    there: dict[tuple[int, ...], str] = {}
    for name in sys.argv[1:]:
        try:
            told = subprocess.run([name, "--version"], capture_output=True, text=True, check=True).stdout
        except (OSError, subprocess.CalledProcessError):
            continue
        release = tuple(int(number) for number in told.split()[1].split(".")[:2])
        if release >= LOWEST:
            there.setdefault(release, name)
    ends = sorted(there)
    print(*dict.fromkeys(there[release] for release in (ends[0], ends[-1])))


if __name__ == "__main__":
    main()
