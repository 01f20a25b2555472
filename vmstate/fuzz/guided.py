"""For a coverage-guided fuzzer: the same mutations, steered by bytes.

    python -m vmstate.fuzz.guided STREAM... [-- OPTIONS OF LIBFUZZER]

runs atheris (https://github.com/google/atheris) over the decoder. `entry` gives the function by itself, which needs no
atheris: whatever drives it hands it bytes, and an exception is a finding.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from types import FunctionType

from vmstate.errors import VMStateError
from vmstate.fuzz.minimise import spoilt
from vmstate.fuzz.mutate import applicable, mutate
from vmstate.fuzz.source import BytesSource
from vmstate.fuzz.subject import Subject
from vmstate.fuzz.targets import FuzzTarget
from vmstate.fuzz.targets.decoder import DecoderTarget

OWN = ("vmstate",)


class FindingError(Exception):
    """Raised for what a campaign would call a finding."""


def entry(subjects: Sequence[Subject], target: FuzzTarget | None = None) -> Callable[[bytes], None]:
    """A function that takes bytes, spoils a subject as they say, and raises `FindingError` where that is a finding."""
    chosen = [(subject, applicable(subject)) for subject in subjects]
    reader = target or DecoderTarget()

    def one_input(data: bytes) -> None:
        source = BytesSource(data)
        subject, mutators = source.choice(chosen)
        mutations = mutate(subject, source, mutators, 3)
        verdict = reader.run(subject, spoilt(subject, mutations), mutations)
        if verdict.is_finding:
            raise FindingError(f"{verdict.key}: {'; '.join(map(str, mutations))}")

    return one_input


def own_functions() -> Iterator[FunctionType]:
    """The functions of this project that are imported: what is worth steering by, and a small part of all there are."""
    for function in gc.get_objects():
        if isinstance(function, FunctionType) and function.__module__ and function.__module__.partition(".")[0] in OWN:
            yield function


def main(words: Sequence[str]) -> int:
    """Run atheris; 2 where it is not installed or a seed is of no use."""
    from vmstate.fuzz import seeds

    files = list(words[: words.index("--")] if "--" in words else words)
    options = list(words[len(files) + 1 :])
    try:
        subjects = seeds.sections(files) if files else seeds.made("virtio-*")
    except VMStateError as error:
        print(f"vmstate: {error}", file=sys.stderr)
        return 2
    try:
        import atheris
    except ImportError:
        print("vmstate: atheris is not installed: pip install atheris", file=sys.stderr)
        return 2
    for function in list(own_functions()):
        atheris.instrument_func(function)
    atheris.Setup([sys.argv[0], *options], entry(subjects))
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
