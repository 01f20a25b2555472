"""The seeds of a campaign: recorded streams, single sections of them, or streams made from descriptions."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from vmstate.errors import VMStateError
from vmstate.fuzz.compose import device_names, minimal, section_bytes, section_of
from vmstate.fuzz.shapes import NAME, shaped
from vmstate.fuzz.source import RandomSource
from vmstate.fuzz.subject import Subject, alone, read_subject
from vmstate.stream.registry import last_part

STATES = 2
"""Sections made of each device where no stream is given."""


def is_meant(name: str, devices: str) -> bool:
    """Whether a section is one of the devices meant: by idstr, or by its last part."""
    return fnmatch.fnmatchcase(name, devices) or fnmatch.fnmatchcase(last_part(name), devices)


def whole(files: Iterable[str | Path], devices: str = "*") -> list[Subject]:
    """Whole streams; only sections of the devices meant, and what is around all of them, are spoilt.

    Raises `VMStateError` for a seed that does not decode, or that has none of the devices.
    """
    subjects = []
    for file in files:
        subject = read_subject(file)
        if devices != "*":
            if not any(is_meant(part.name, devices) for part in subject.parts):
                raise VMStateError(f"no section is called {devices!r}", file=str(file))
            subject.only(lambda name: is_meant(name, devices))
        subjects.append(subject)
    return subjects


def sections(files: Iterable[str | Path], devices: str = "*") -> list[Subject]:
    """Each section of some streams in the smallest stream that holds it; of equal ones the first.

    Raises `VMStateError`.
    """
    subjects: dict[bytes, Subject] = {}
    for subject in whole(files, devices):
        for part in subject.parts:
            if part.vmsd is not None and part.kind == "full" and is_meant(part.name, devices):
                single = alone(subject, part)
                subjects.setdefault(subject.data[part.payload : part.footer] + part.name.encode(), single)
    return list(subjects.values())


def made(devices: str | Sequence[str] = "*", seed: int = 0) -> list[Subject]:
    """Sections made from the descriptions of the library, each in the smallest stream that holds it."""
    subjects = []
    for name in device_names(devices):
        for number in range(STATES):
            section = section_of(RandomSource(f"{seed}/{name}/{number}"), name, number, 0)
            if section is not None:
                subjects.append(Subject(f"{name}~{number}", minimal(section_bytes(*section))))
    return subjects


def shapes(count: int, seed: int = 0) -> list[Subject]:
    """So many streams whose vmdesc is made at random, of those that are drawn the ones that can be read."""
    subjects: list[Subject] = []
    number = 0
    while len(subjects) < count:
        number += 1
        with suppress(VMStateError):
            subjects.append(Subject(f"{NAME}~{number}", shaped(RandomSource(f"{seed}/{NAME}/{number}"))))
    return subjects
