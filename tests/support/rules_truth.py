"""What a real QEMU does with streams that break the rules of the library, one by one, and the recording of it.

    make rules-truth                                the cases of every machine whose QEMU is here
    python tests/support/rules_truth.py NAME...     those of some machines

A machine is started, saved before its guest runs, and the stream is loaded again into the same machine: QEMU must take
it. Then each case changes values in that stream as `vmstate set --force` does, and the QEMU of the same command line
says what it does with the result; where a case has a value on the other side of the border, QEMU must take that too.
What it said goes into fixtures/rules/truth/truth.json, the stream beside it with its memory taken out.

QEMU is found as the tests find it: the system's, and those of the roots in VMSTATE_QEMU_ROOTS.
"""

from __future__ import annotations

import json
import lzma
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rules_truth_cases import MACHINES, Case, Fresh, Recorded

from vmstate.errors import MachineError, VMStateError
from vmstate.files import write_atomic
from vmstate.fuzz.targets.qemu import QemuTarget, Seed, started
from vmstate.fuzz.verdict import ACCEPTED, CRASHED, MEMORY, REFUSED, Verdict
from vmstate.qemu.machine import Machine, find_qemu
from vmstate.qemu.migration import save
from vmstate.rules.edit import Edit, assign, set_value
from vmstate.saved.loading import load
from vmstate.saved.thin import thin
from vmstate.schema.values import to_plain
from vmstate.stream.stream import Section, Stream
from vmstate.vmsd.state import set_facts

FOLDER = Path(__file__).resolve().parents[2] / "fixtures/rules/truth"
ANSWERS = FOLDER / "truth.json"
VERDICTS = {ACCEPTED: "loads", REFUSED: "refused", MEMORY: "refused", CRASHED: "aborts"}


def changed(stream: Stream, changes: Sequence[tuple[str, str | Fresh]], *, force: bool) -> list[Edit]:
    """Change values of a stream as `vmstate set` does; first the fresh structs are put in."""
    edits = [
        set_value(stream, path, fresh(stream, path, value), force=force)
        for path, value in changes
        if isinstance(value, Fresh)
    ]
    texts = [f"{path}={value}" for path, value in changes if isinstance(value, str)]
    return [*edits, *(assign(stream, *texts, force=force) if texts else ())]


def fresh(stream: Stream, path: str, wanted: Fresh) -> Any:
    """A struct of a section as its class makes it; where the path is that of a list, the list with it."""
    section, _, before = stream.find(path)
    assert isinstance(section, Section) and section.vmsd is not None
    part = next(part for part in section.vmsd.walk() if part.name == wanted.struct)
    assert part.state_class is not None
    set_facts(section.state, **wanted.facts)
    values = {name: bytes.fromhex(value) if isinstance(value, str) else value for name, value in wanted.values.items()}
    state = part.state_class(**values)
    return state if before is None else [*before, state]


class Destination(QemuTarget):
    """Loads streams; of one that is taken it saves at once what it has become."""

    saved: bytes | None = None

    def _after(self, machine: Machine) -> Verdict:
        verdict = super()._after(machine)
        if verdict.kind == ACCEPTED:
            with tempfile.TemporaryDirectory() as folder:
                save(machine, Path(folder, "saved"))
                self.saved = Path(folder, "saved").read_bytes()
        return verdict


def qemu_for(machine: Recorded) -> str | None:
    """The program, or a root's program, of the release that a machine is recorded with; None where it is not here."""
    for root in (None, *filter(None, os.environ.get("VMSTATE_QEMU_ROOTS", "").split(":"))):
        try:
            qemu = find_qemu(machine.argv[0], root)
            with Machine([machine.argv[0], "-M", "none", "-nodefaults", "-S"], qemu=qemu) as asked:
                version = ".".join(map(str, asked.monitor.version[:2]))
        except VMStateError:
            continue
        if version == machine.release:
            # Where its modules are it is told by the environment.
            told = [f"{name}={value}" for name, value in qemu.environment]
            return "\0".join([*(["/usr/bin/env", *told] if told else []), *qemu.command])
    return None


def record(name: str, machine: Recorded, rules: Sequence[str] = ()) -> dict[str, Any] | None:
    """Record the cases of a machine; None where its QEMU is not here. Raises `MachineError`, `VMStateError`."""
    program = qemu_for(machine)
    if program is None:
        return None
    argv = [*program.split("\0"), *machine.argv[1:]]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        with started(argv, "-S") as source:
            version, build = ".".join(map(str, source.monitor.version)), source.monitor.build
            save(source, path)
        whole = path.read_bytes()
        seed = Seed(path, argv, {})
        destination = Destination({})
        try:
            verdict = destination.load(seed, whole)
            if verdict.kind != ACCEPTED and not machine.refuses_itself:
                raise MachineError("it does not load what it saved itself", file=name, found=verdict.message)
            cases = [
                recorded_case(case, whole, destination, seed)
                for case in machine.cases
                if not rules or case.rule in rules
            ]
        finally:
            destination.close()
        thinned = b"".join(thin(path))
    return {
        "machine": {
            "qemu_version": version,
            "qemu_build": build,
            "argv": list(machine.argv),
            "stream": f"{name}.stream.xz",
        },
        "cases": cases,
        "stream": thinned,
    }


def recorded_case(case: Case, whole: bytes, destination: Destination, seed: Seed) -> dict[str, Any]:
    """What QEMU does with a case. Raises `MachineError` where it refuses what it is to take."""
    stream = load(whole)
    edits = changed(stream, case.changes, force=True)
    destination.saved = None
    verdict = destination.load(seed, stream.to_bytes())
    if verdict.kind not in VERDICTS:
        raise MachineError(verdict.message, found=case.rule)
    answer = {
        "rule": case.rule,
        "changes": [
            {
                "section": edit.section,
                "path": edit.path,
                "set": path,
                "before": plain(edit.before),
                **written(value),
            }
            for edit, (path, value) in zip(edits, case.changes, strict=True)
        ],
        "verdict": VERDICTS[verdict.kind],
        "lines": [line for line in verdict.message.split(" | ") if line],
    }
    if verdict.kind == ACCEPTED and destination.saved is not None:
        after = load(destination.saved)
        answer["saved"] = [plain(after.find(path)[2]) for path, _ in case.changes]
    if case.kept:
        near = load(whole)
        changed(near, case.kept, force=True)
        taken = destination.load(seed, near.to_bytes())
        if taken.kind != ACCEPTED:
            raise MachineError(f"QEMU refuses {case.kept}: {taken.message}", found=case.rule)
        answer["kept"] = [{"set": path, **written(value)} for path, value in case.kept]
    return answer


def written(value: str | Fresh) -> dict[str, Any]:
    """A new value as the recording has it."""
    if isinstance(value, str):
        return {"value": value}
    return {"fresh": value.struct, "values": dict(value.values), "facts": dict(value.facts)}


def read_changes(recorded: Sequence[dict[str, Any]]) -> list[tuple[str, str | Fresh]]:
    """The changes that were written down so."""
    return [
        (entry["set"], Fresh(entry["fresh"], entry["values"], entry["facts"]) if "fresh" in entry else entry["value"])
        for entry in recorded
    ]


def plain(value: Any) -> Any:
    """A value as JSON, short enough to be read."""
    value = to_plain(value)
    return value if len(json.dumps(value, default=str)) < 200 else None


def record_all(names: Sequence[str]) -> Iterator[str]:
    """Record the machines of some names, or all; a line of each case. Raises `VMStateError`."""
    known = json.loads(ANSWERS.read_text()) if ANSWERS.exists() else {"machines": {}, "cases": []}
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, machine in MACHINES.items():
        if names and name not in names:
            continue
        answers = record(name, machine)
        if answers is None:
            yield f"{name}: there is no QEMU {machine.release} here"
            continue
        known["machines"][name] = answers["machine"]
        others = [case for case in known["cases"] if case["machine"] != name]
        known["cases"] = [*others, *({"machine": name, **case} for case in answers["cases"])]
        write_atomic(FOLDER / f"{name}.stream.xz", [lzma.compress(answers["stream"], preset=9)])
        for case in answers["cases"]:
            yield f"{name}: {case['rule']}: {case['verdict']}: {' | '.join(case['lines'])}"
    order = list(MACHINES)
    known["cases"].sort(key=lambda case: (order.index(case["machine"]), case["rule"]))
    write_atomic(ANSWERS, [(json.dumps(known, indent=1) + "\n").encode()])


def main(names: Sequence[str]) -> int:
    """Exit code 0; 2 where something cannot be recorded."""
    try:
        for line in record_all(names):
            print(line, flush=True)
    except VMStateError as error:
        print(f"vmstate: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
