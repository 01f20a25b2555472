"""What streams are given to: our decoder, the construct declarations, a real QEMU, the early engine."""

from __future__ import annotations

from typing import Protocol

from vmstate.fuzz.mutate import Mutation
from vmstate.fuzz.subject import Subject
from vmstate.fuzz.verdict import Verdict
from vmstate.vmsd.data import NamedTuple


class Left(NamedTuple):
    """A stream after which a QEMU did not take the good one any more, and what it did instead."""

    subject: Subject
    mutations: list[Mutation]
    verdict: Verdict


class FuzzTarget(Protocol):
    """Somebody who reads streams."""

    name: str

    def run(self, subject: Subject, data: bytes, mutations: list[Mutation]) -> Verdict:
        """What is done with `data`, which is `subject` with the mutations."""

    def settle(self) -> list[Left]:
        """Which of the streams since this was asked last left something behind that the good one fails at."""

    def close(self) -> None:
        """Leave nothing behind: no process, no file."""
