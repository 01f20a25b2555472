"""Mutants drawn at random, and the tests that notice them: how docs/testing.md's figures are made.

    python .ci/mutants.py -n 300 --seed 1 vmstate/codec devices/virtio

Each mutant is one small change of one line (another operator, a number off by one, a condition turned round), made by
cosmic-ray's operators. Lines are drawn first, each room as often as it has lines that can be changed, then the place on
the line, then the change; the seed says which. The suite runs once under coverage to learn which test executes which
line; each mutant then meets, in a copy of the tree, those tests that execute its line, fastest first, until one fails.
Those that survive meet all tests that execute a line of the same module and, with --whole, every test.
"""

from __future__ import annotations

import argparse
import ast
import gc
import inspect
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from queue import Queue
from types import CodeType, FunctionType
from typing import Any

import pytest
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parent.parent
IDENTITY = {f"ReplaceComparisonOperator_{pair}" for pair in ("Eq_Is", "NotEq_IsNot", "Is_Eq", "IsNot_NotEq")}
"""Equality for identity changes nothing where it is told apart at all: small integers, enumerations, None."""
BINARY = {"+", "-", "*", "/", "//", "%", "**", ">>", "<<", "|", "&", "^"}
TEST_OPTIONS = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not qemu"]
KILLED, SURVIVED, SLOW, UNREACHED = "killed", "survived", "timeout", "no test"
MEMORY = 8 << 30


@dataclass(frozen=True)
class Mutant:
    """One change: the file, where in it, cosmic-ray's operator, and which of its occurrences in the file."""

    path: str
    line: int
    column: int
    operator: str
    occurrence: int
    changed: str = field(default="", repr=False)
    """The whole file with the change."""

    @property
    def place(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass
class Verdict:
    """What became of a mutant; `test` is the first that failed."""

    mutant: Mutant
    before: str
    after: str
    outcome: str
    test: str = ""
    tests: int = 0
    seconds: float = 0.0

    @property
    def is_killed(self) -> bool:
        return self.outcome in (KILLED, SLOW)


# Drawing.


def never_evaluated(text: str) -> set[int | tuple[int, int]]:
    """Places that do not run: positions within annotations, and the lines of blocks for type checkers alone."""
    places: set[int | tuple[int, int]] = set()
    for node in ast.walk(ast.parse(text)):
        annotations = [getattr(node, "annotation", None), getattr(node, "returns", None)]
        for part in (below for top in annotations if top is not None for below in ast.walk(top)):
            if isinstance(part, ast.expr):
                places.add((part.lineno, part.col_offset))
                # An operator between two parts stands between the end of one and the start of the next.
                if isinstance(part, ast.BinOp):
                    end = part.left.end_col_offset or 0
                    places.update((part.left.end_lineno or 0, column) for column in range(end, end + 4))
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            places.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return places


def sites(path: Path) -> dict[int, dict[tuple[int, str], list[Mutant]]]:
    """By line, by place and kind of change: the mutants that a file can become."""
    text = path.read_text()
    idle = never_evaluated(text)
    nodes = list(ast_nodes(get_ast(text)))
    # Most operators are for one type of node, and there are many of them.
    of_kind = {
        "ReplaceBinaryOperator": [node for node in nodes if node.type == "operator" and node.value in BINARY],
        "ReplaceComparisonOperator": [node for node in nodes if node.type == "comparison"],
        "ReplaceUnaryOperator": [node for node in nodes if node.type in ("factor", "not_test")],
    }
    lines: dict[int, dict[tuple[int, str], list[Mutant]]] = defaultdict(lambda: defaultdict(list))
    for name in operator_names():
        kind = name.removeprefix("core/")
        if kind in IDENTITY or kind.startswith("Variable"):
            continue
        operator = get_operator(name)()
        occurrence = 0
        for node in of_kind.get(kind.partition("_")[0], nodes):
            for (line, column), _ in operator.mutation_positions(node):
                if line not in idle and (line, column) not in idle:
                    mutant = Mutant(str(path.relative_to(ROOT)), line, column, name, occurrence)
                    lines[line][column, kind.partition("_")[0]].append(mutant)
                occurrence += 1
    return lines


def made(mutant: Mutant) -> Mutant | None:
    """The mutant with its text; None where that is none of Python or no change at all."""
    text = (ROOT / mutant.path).read_text()
    changed = mutate_code(text, get_operator(mutant.operator)(), mutant.occurrence)
    if changed is None or changed == text:
        return None
    try:
        compile(changed, mutant.path, "exec")
    except SyntaxError:
        return None
    return replace(mutant, changed=changed)


def draw(rooms: Sequence[str], count: int, seed: int) -> list[Mutant]:
    """`count` mutants on as many lines; each room has its share of them by the number of its mutable lines."""
    dice = random.Random(seed)
    by_room = {}
    for room in rooms:
        files = sorted((ROOT / room).rglob("*.py")) if (ROOT / room).is_dir() else [ROOT / room]
        by_room[room] = [places for file in files for _, places in sorted(sites(file).items())]
    total = sum(map(len, by_room.values()))
    # Largest remainders, so that the shares add up.
    exact = {room: count * len(lines) / total for room, lines in by_room.items()}
    shares = {room: int(share) for room, share in exact.items()}
    for room in sorted(exact, key=lambda room: shares[room] - exact[room])[: count - sum(shares.values())]:
        shares[room] += 1
    mutants = []
    for room, lines in by_room.items():
        drawn = []
        for places in dice.sample(lines, len(lines)):
            if len(drawn) == shares[room]:
                break
            mutant = made(dice.choice(places[dice.choice(sorted(places))]))
            if mutant is not None:
                drawn.append(mutant)
        mutants += sorted(drawn, key=lambda mutant: (mutant.path, mutant.line))
    return mutants


# Which test executes which line.


def function_of(test: str) -> str:
    return test.partition("[")[0]


class Durations:
    """What pytest tells of each test, and (under coverage) which test it is that runs."""

    def __init__(self, coverage: Any = None, each: int | None = None) -> None:
        self.coverage = coverage
        self.each = each
        self.left: list[str] = []
        self.seconds: dict[str, float] = defaultdict(float)
        self.failed: list[str] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Of a test with many parameters `each`, evenly among them; none that is slow."""
        if self.each is None:
            return
        by_function: dict[str, list[pytest.Item]] = defaultdict(list)
        for item in items:
            if item.get_closest_marker("slow") is None:
                by_function[function_of(item.nodeid)].append(item)
        taken = set()
        for same in by_function.values():
            step = max(1, len(same) / self.each)
            taken |= {same[int(place * step)].nodeid for place in range(min(self.each, len(same)))}
        self.left = [item.nodeid for item in items if item.nodeid not in taken]
        items[:] = [item for item in items if item.nodeid in taken]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        if self.coverage is not None:
            self.coverage.switch_context(item.nodeid)
        result = yield
        if self.coverage is not None:
            self.coverage.switch_context("")
        return result  # type: ignore[return-value]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] += report.duration
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed.append(f"{report.nodeid} (collection)")


class Chosen(Durations):
    """Of what is collected only these tests, in this order."""

    def __init__(self, tests: Sequence[str]) -> None:
        super().__init__()
        self.rank = {name: place for place, name in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((item for item in items if item.nodeid in self.rank), key=lambda i: self.rank[i.nodeid])


def enter(tree: Path) -> None:
    """This process and those it starts import from the tree, also those that are given a path of their own."""
    os.chdir(tree)
    sys.path.insert(0, str(tree))
    os.environ["PYTHONPATH"] = str(tree)
    sys.executable = str(interpreter(tree))
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    sys.dont_write_bytecode = True


def interpreter(tree: Path) -> Path:
    """A Python that has what this one has, but for the package, which it takes from the tree; made where it is not."""
    folder = tree.parent / "venv"
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, symlinks=True)
        (packages,) = folder.glob("lib/python*/site-packages")
        (packages / "tree.pth").write_text(f"{tree / '.editable'}\n{sysconfig.get_path('purelib')}\n")
    return python


def record(tree: Path, rooms: Sequence[str], files: Sequence[str], each: int, out: Path) -> None:
    """Run the suite under coverage; to `out`: tests by file and line, seconds and failures, modules of others."""
    from coverage import Coverage

    enter(tree)
    include = [str(tree / room / "*") if (tree / room).is_dir() else str(tree / room) for room in rooms]
    coverage = Coverage(data_file=None, include=include, config_file=False)
    told = Durations(coverage, each)
    coverage.start()
    pytest.main([*TEST_OPTIONS, *files], plugins=[told])
    coverage.stop()
    data = coverage.get_data()
    names: dict[str, int] = {name: place for place, name in enumerate(told.seconds)}
    lines = {}
    for path in data.measured_files():
        contexts = data.contexts_by_lineno(path)
        relative = str(Path(path).relative_to(tree))
        lines[relative] = {line: [names[t] for t in tests if t in names] for line, tests in contexts.items()}
    ours = ("vmstate", "devices", "tests", "conftest")
    modules = [
        name
        for name, module in sys.modules.items()
        if name.partition(".")[0] not in ours and not str(getattr(module, "__file__", None) or "").startswith(str(tree))
    ]
    document = {"tests": list(told.seconds), "seconds": list(told.seconds.values()), "failed": told.failed}
    document["left"] = told.left
    out.write_text(json.dumps(document | {"lines": lines, "modules": modules}))


def survey(folder: Path, rooms: Sequence[str], files: Sequence[str], each: int, jobs: int) -> dict[str, Any]:
    """What `record` tells, with the files of tests shared among some processes."""
    if not files:
        paths = sorted((ROOT / "tests").rglob("test_*.py"), key=lambda path: path.stat().st_size)
        files = [str(path.relative_to(ROOT)) for path in reversed(paths)]
    processes = []
    for number in range(jobs):
        recorder = Bench(folder / f"recorder-{number}")
        share = files[number::jobs]
        if share:
            args = (recorder.tree, rooms, share, each, recorder.log)
            processes.append((get_context("spawn").Process(target=record, args=args), recorder.log))
            processes[-1][0].start()
    all_of: dict[str, Any] = {"tests": [], "seconds": [], "failed": [], "left": [], "lines": {}, "modules": []}
    for process, log in processes:
        process.join()
        part = json.loads(log.read_text())
        offset = len(all_of["tests"])
        for path, lines in part["lines"].items():
            for line, tests in lines.items():
                all_of["lines"].setdefault(path, {}).setdefault(line, []).extend(test + offset for test in tests)
        for kind in ("tests", "seconds", "failed", "left", "modules"):
            all_of[kind] += part[kind]
    return all_of


def imports(path: Path) -> set[str]:
    """Names of modules that a file may import, and those that it gives as "module:NAME"."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and ":" in node.value:
            names.add(node.value.partition(":")[0])
    return names


@cache
def import_graph() -> tuple[dict[str, str], dict[str, set[str]]]:
    """Of the library and the tests: file -> its module's name, and file -> the names that it may import."""
    named: dict[str, str] = {}
    for file in sorted(chain(*((ROOT / top).rglob("*.py") for top in ("vmstate", "devices", "tests")))):
        relative = file.relative_to(ROOT)
        parts = relative.with_suffix("").parts
        dotted = ".".join(("vmstate", *parts) if parts[0] == "devices" else parts).removesuffix(".__init__")
        named[str(relative)] = dotted.removeprefix("tests.support.")
    return named, {file: imports(ROOT / file) for file in named}


def distances(path: str) -> dict[str, int]:
    """Files of tests by how many imports lie between them and a module."""
    named, importing = import_graph()
    reached, edge = {path: 0}, [path]
    while edge:
        names = {named[file] for file in edge}
        distance = reached[edge[0]] + 1
        edge = [file for file, wanted in importing.items() if file not in reached and wanted & names]
        reached |= dict.fromkeys(edge, distance)
    return reached


class Map:
    """Which tests execute a line, fastest first."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.tests: list[str] = document["tests"]
        self.seconds: list[float] = document["seconds"]
        self.left: dict[str, list[int]] = defaultdict(list)
        mean: dict[str, list[float]] = defaultdict(list)
        for name, seconds in zip(self.tests, self.seconds, strict=True):
            mean[function_of(name)].append(seconds)
        for name in document["left"]:
            self.left[function_of(name)].append(len(self.tests))
            self.tests.append(name)
            seconds = mean[function_of(name)]
            self.seconds.append(sum(seconds) / len(seconds) if seconds else 1.0)
        self.failed = {self.tests.index(name) for name in document["failed"] if name in self.tests}
        self.lines: dict[str, dict[str, list[int]]] = document["lines"]
        self.modules: list[str] = list(dict.fromkeys(document["modules"]))

    def ordered(self, tests: Iterable[int]) -> list[int]:
        return sorted(set(tests) - self.failed, key=lambda test: self.seconds[test])

    def of_line(self, path: str, line: int) -> list[int]:
        return self.ordered(self.lines.get(path, {}).get(str(line), ()))

    def siblings(self, tests: Iterable[int]) -> list[int]:
        """Those that were not run under coverage and differ in their parameters alone from these."""
        functions = {function_of(self.tests[test]) for test in tests}
        return self.ordered(test for function in functions for test in self.left[function])

    def of_module(self, path: str) -> list[int]:
        return self.ordered(test for tests in self.lines.get(path, {}).values() for test in tests)

    def of_neighbours(self, path: str, line: int) -> list[int]:
        """Tests that execute a line near this one, the nearest first: the function that is decorated, or a method."""
        executed = sorted(self.lines.get(path, {}), key=lambda number: abs(int(number) - line))
        return list(dict.fromkeys(test for number in executed for test in self.ordered(self.lines[path][number])))

    def of_importers(self, path: str) -> list[int]:
        """Tests of files that import a module, the nearest first."""
        near = distances(path)
        tests = [test for test in self.every() if self.tests[test].partition("::")[0] in near]
        return sorted(tests, key=lambda test: near[self.tests[test].partition("::")[0]])

    def of_few_files(self, tests: Iterable[int], limit: int = 10) -> list[int]:
        """Those of the first files: to collect a file takes longer than most of its tests."""
        by_file: dict[str, list[int]] = {}
        for test in dict.fromkeys(tests):
            by_file.setdefault(self.tests[test].partition("::")[0], []).append(test)
        return [test for file in list(by_file)[:limit] for test in by_file[file]]

    def every(self) -> list[int]:
        return self.ordered(range(len(self.tests)))

    def first(self, tests: Sequence[int], budget: float) -> list[int]:
        """Of many, those that take so many seconds together."""
        chosen: list[int] = []
        for test in tests:
            budget -= self.seconds[test]
            if budget < 0:
                break
            chosen.append(test)
        return chosen


# Running.


def limit(cpu: float) -> None:
    """A process that a mutant keeps busy for ever, or that asks for all memory, ends."""
    os.setsid()
    resource.setrlimit(resource.RLIMIT_CPU, (int(cpu), int(cpu) + 5))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def quietly(log: Path) -> None:
    output = os.open(log.with_suffix(".out"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)


def attempt(tree: Path, tests: Sequence[str], cpu: float, log: Path) -> None:
    """In a process forked from one that has imported what others wrote: collect, run, tell which tests failed."""
    limit(cpu)
    enter(tree)
    quietly(log)
    told = Chosen(tests)
    files = list(dict.fromkeys(name.partition("::")[0] for name in tests))
    code = int(pytest.main([*TEST_OPTIONS, f"--basetemp={log.with_suffix('.tmp')}", "-x", *files], plugins=[told]))
    log.write_text(json.dumps({"code": code, "failed": told.failed, "ran": len(told.seconds)}))
    os._exit(0)


def functions_changed(path: str, text: str, changed: str) -> dict[tuple[str, int], CodeType] | None:
    """The code of the functions that a mutant changes, by qualified name and first line; none where what it changes
    runs when the module is imported, or where a function cannot be told from another.
    """
    codes: dict[tuple[str, int], CodeType] = {}
    seen: Counter[tuple[str, int]] = Counter()

    def nested(code: CodeType) -> list[CodeType]:
        return [value for value in code.co_consts if isinstance(value, CodeType)]

    def rest(code: CodeType) -> tuple[Any, ...]:
        constants = tuple((type(value), value) for value in code.co_consts if not isinstance(value, CodeType))
        return code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars, code.co_exceptiontable

    def walk(before: CodeType, after: CodeType) -> bool:
        """Whether all that changes is within functions; False also where the two cannot be laid side by side."""
        key = (before.co_qualname, before.co_firstlineno)
        seen[key] += 1
        inner = list(zip(nested(before), nested(after), strict=False))
        if len(nested(before)) != len(nested(after)):
            return False
        known = set(codes)
        if not all(walk(*pair) for pair in inner):
            return False
        if rest(before) != rest(after) or set(codes) != known:
            if before.co_flags & inspect.CO_OPTIMIZED:
                codes[key] = after
            elif rest(before) != rest(after):
                return False
        return True

    if not walk(compile(text, path, "exec"), compile(changed, path, "exec")):
        return None
    return codes if codes and all(seen[key] == 1 for key in codes) else None


def functions_by_file() -> dict[str, list[FunctionType]]:
    """All functions that are alive, by the file they come from."""
    found: dict[str, list[FunctionType]] = defaultdict(list)
    for thing in gc.get_objects():
        if type(thing) is FunctionType:
            found[os.path.realpath(thing.__code__.co_filename)].append(thing)
    return found


def swap(functions: Iterable[FunctionType], codes: dict[tuple[str, int], CodeType]) -> bool:
    """Give all functions of a file the mutant's code; whether there was one."""
    changed = False
    for function in functions:
        code = codes.get((function.__code__.co_qualname, function.__code__.co_firstlineno))
        if code is not None:
            function.__code__ = code
            changed = True
    return changed


class Warm:
    """A plugin that collects once and forks for each order that comes: the code swapped, then the tests asked for."""

    def __init__(self, orders: Any, log: Path) -> None:
        self.orders, self.log = orders, log

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        by_name = {item.nodeid: item for item in session.items}
        # What no test imports before it runs would have no functions yet.
        preload([name for name in import_graph()[0].values() if name.startswith("vmstate.") and "__main__" not in name])
        self.functions = functions_by_file()
        # What is alive now stays: a child's collector need not touch, and so copy, all of it.
        gc.freeze()
        self.orders.send("collected")
        while (order := self.orders.recv()) is not None:
            path, text, changed, tests, cpu = order
            pid = os.fork()
            if pid == 0:
                self.child(session, path, text, changed, [by_name[name] for name in tests if name in by_name], cpu)
            self.orders.send(pid)
            _, status = os.waitpid(pid, 0)
            self.orders.send(status)
        return True

    def child(
        self, session: pytest.Session, path: str, text: str, changed: str, items: list[pytest.Item], cpu: float
    ) -> None:
        try:
            limit(cpu)
            codes = functions_changed(path, text, changed)
            told = Durations()
            if codes is None or not swap(self.functions.get(path, ()), codes):
                os._exit(0)
            session.config.pluginmanager.register(told)
            for place, item in enumerate(items):
                following = items[place + 1] if place + 1 < len(items) else None
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if told.failed:
                    break
            answer = {"code": int(bool(told.failed)), "failed": told.failed, "ran": len(told.seconds)}
            self.log.write_text(json.dumps(answer))
        finally:
            os._exit(0)


def serve(tree: Path, log: Path, orders: Any) -> None:
    enter(tree)
    quietly(log.with_name("server"))
    options = [*TEST_OPTIONS, f"--basetemp={log.with_suffix('.warm')}"]
    pytest.main(options, plugins=[Warm(orders, log)])


class Bench:
    """A copy of the tree in which one mutant at a time stands."""

    def __init__(self, folder: Path) -> None:
        self.tree = (folder / "tree").resolve()
        self.log = folder / "log.json"
        self.stamp = time.time() - 1e6
        folder.mkdir()
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        for name in listed.stdout.splitlines():
            if os.path.lexists(ROOT / name):
                (self.tree / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, self.tree / name, follow_symlinks=False)
        self.orders: Any = None

    def warm(self) -> None:
        """Start the process that collects all tests, from the tree as it is, and tells when it has."""
        self.orders, theirs = get_context("spawn").Pipe()
        process = get_context("spawn").Process(target=serve, args=(self.tree, self.log, theirs), daemon=True)
        process.start()
        theirs.close()

    def put(self, path: str, text: str) -> None:
        """Write a file; its date is another each time, so that no compiled file of before is taken for it."""
        (self.tree / path).write_text(text)
        self.stamp += 10
        os.utime(self.tree / path, (self.stamp, self.stamp))

    def run_warm(
        self, path: str, text: str, changed: str, tests: Sequence[str], cpu: float, wall: float
    ) -> dict[str, Any] | None:
        """What tests say in the process that has collected; None where the mutant is none of functions alone."""
        if functions_changed(path, text, changed) is None:
            return None
        self.log.unlink(missing_ok=True)
        self.orders.send((str(self.tree / path), text, changed, tests, cpu))
        pid = self.orders.recv()
        late = not self.orders.poll(wall)
        if late:
            end(pid)
        status = self.orders.recv()
        end(pid)
        if self.log.exists():
            return json.loads(self.log.read_text())  # type: ignore[no-any-return]
        return {"code": -1, "failed": [], "ran": 0} if late or status else None

    def run(self, tests: Sequence[str], cpu: float, wall: float) -> dict[str, Any]:
        """What tests say in a process that imports the mutant."""
        self.log.unlink(missing_ok=True)
        process = get_context("fork").Process(target=attempt, args=(self.tree, tests, cpu, self.log))
        process.start()
        process.join(wall)
        assert process.pid is not None
        end(process.pid)
        process.join()
        if self.log.exists():
            return json.loads(self.log.read_text())  # type: ignore[no-any-return]
        return {"code": -1, "failed": [], "ran": 0}


def end(pid: int) -> None:
    """End a process and what it started: they are of one session."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def judge(mutant: Mutant, bench: Bench, known: Map, budget: float, whole: bool) -> Verdict:
    text = (ROOT / mutant.path).read_text()
    changed = mutant.changed
    verdict = Verdict(mutant, *difference(text, changed), UNREACHED)
    started = time.monotonic()
    of_line = known.first(known.of_line(mutant.path, mutant.line), budget)
    quick = known.first(of_line, 3)
    rest = [test for test in of_line if test not in set(quick)]
    rest += known.first(known.siblings(of_line), budget)
    met: set[int] = set()
    # What runs when a module is imported is executed by no test, and shows in those that use the module.
    is_of_import = functions_changed(mutant.path, text, changed) is None

    def meets(tests: Sequence[int], warm: bool) -> bool:
        """Whether the mutant is still alive after these tests."""
        if not tests or (warm and is_of_import):
            return True
        # Several times what they need, and what collecting takes.
        needed = sum(known.seconds[test] for test in tests)
        names = [known.tests[test] for test in tests]
        limits = (60 + 5 * needed, 300 + 30 * needed)
        answer = bench.run_warm(mutant.path, text, changed, names, *limits) if warm else bench.run(names, *limits)
        if answer is None:
            return True
        met.update(tests)
        if answer["code"] == 0:
            verdict.outcome = SURVIVED
            return True
        verdict.outcome = KILLED if answer["code"] > 0 else SLOW
        verdict.test = next(iter(answer["failed"]), f"pytest's exit code {answer['code']}")
        return False

    if meets(quick, True) and meets(rest, True):
        of_module = known.first(known.of_module(mutant.path), budget)
        if meets(of_module, True):
            # What was compiled or remembered while tests were collected is not the mutant's: it is imported anew.
            bench.put(mutant.path, changed)
            importers = known.first(known.of_importers(mutant.path), budget)
            if is_of_import:
                neighbours = known.first(known.of_neighbours(mutant.path, mutant.line), budget)
                anew = [neighbours, importers]
            else:
                anew = [[*quick, *rest, *of_module, *importers]]
            if all(meets(known.of_few_files(tests), False) for tests in anew) and whole:
                meets(known.every(), False)
            bench.put(mutant.path, text)
    verdict.tests = len(met)
    verdict.seconds = round(time.monotonic() - started, 1)
    return verdict


def difference(text: str, changed: str) -> tuple[str, str]:
    """The first line that differs, before and after."""
    for before, after in zip(text.splitlines(), changed.splitlines(), strict=False):
        if before != after:
            return before.strip(), after.strip()
    return "", "(a line less)"


def preload(modules: Sequence[str]) -> None:
    """What tests import and nobody mutates: once, in the process that all others are forked from."""
    for name in modules:
        # Some can only be imported by others.
        with suppress(Exception):
            import_module(name)


class Round:
    """Mutants, the tests that they meet, and what became of each."""

    def __init__(self, mutants: Sequence[Mutant], known: Map, options: argparse.Namespace) -> None:
        self.mutants, self.known, self.options = mutants, known, options
        self.verdicts: dict[int, Verdict] = {}
        if options.output and options.output.exists():
            for line in options.output.read_text().splitlines():
                document = json.loads(line)
                number = document.pop("number")
                self.verdicts[number] = Verdict(**document | {"mutant": mutants[number]})

    def run(self, numbers: Iterable[int], folder: Path) -> None:
        benches: Queue[Bench] = Queue()
        made: list[Bench] = []
        for number in range(self.options.jobs):
            bench = Bench(folder / str(number))
            bench.warm()
            made.append(bench)
        for bench in made:
            assert bench.orders.recv() == "collected"
            benches.put(bench)

        def of(number: int) -> None:
            bench = benches.get()
            try:
                verdict = judge(self.mutants[number], bench, self.known, self.options.budget, self.options.whole)
            finally:
                benches.put(bench)
            self.verdicts[number] = verdict
            print(told(number, verdict), flush=True)
            if self.options.output:
                document = {"number": number} | vars(verdict) | {"mutant": verdict.mutant.place}
                with self.options.output.open("a") as out:
                    print(json.dumps(document), file=out)

        with ThreadPoolExecutor(self.options.jobs) as pool:
            list(pool.map(of, [number for number in numbers if number not in self.verdicts]))


def told(number: int, verdict: Verdict) -> str:
    line = f"{number:4} {verdict.outcome:8} {verdict.mutant.place} ({verdict.seconds} s, {verdict.tests} tests)"
    return line if verdict.is_killed else f"{line}\n     - {verdict.before}\n     + {verdict.after}"


def table(verdicts: Sequence[Verdict], rooms: Sequence[str]) -> str:
    rows = ["| room | mutants | killed | survived | % |", "|---|---|---|---|---|"]
    for room in [*rooms, "all"]:
        of_room = [verdict for verdict in verdicts if room == "all" or verdict.mutant.path.startswith(room)]
        killed = sum(verdict.is_killed for verdict in of_room)
        if of_room:
            share = 100 * killed / len(of_room)
            rows.append(f"| {room} | {len(of_room)} | {killed} | {len(of_room) - killed} | {share:.1f} |")
    return "\n".join(rows)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("rooms", nargs="+", help="folders or files below the root of the repository")
    add("-n", type=int, default=100, help="how many mutants (100)")
    add("--seed", type=int, default=0)
    add("--list", action="store_true", help="draw only, run nothing")
    add("--only", type=int, action="append", metavar="NUMBER", help="of those drawn this one alone; several times")
    add("--at-least", type=float, default=0, metavar="PERCENT", help="exit code 1 where fewer are killed")
    add("--jobs", type=int, default=os.cpu_count())
    add("--map", type=Path, help="where the map of tests and lines is kept; made where it is not there")
    add("--tests", action="append", default=[], metavar="FILE", help="map these files instead of all tests")
    add("--each", type=int, default=5, help="of a test with many parameters so many are mapped (5)")
    add("--budget", type=float, default=60, metavar="SECONDS", help="of tests for each mutant, step by step (60)")
    add("--whole", action="store_true", help="survivors meet every test; takes minutes for each")
    add("-o", "--output", type=Path, help="every verdict as a line of JSON; mutants that it has are not run again")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    mutants = draw(options.rooms, options.n, options.seed)
    chosen = [number for number in range(len(mutants)) if options.only is None or number in options.only]
    if options.list:
        for number in chosen:
            before, after = difference((ROOT / mutants[number].path).read_text(), mutants[number].changed)
            print(f"{number:4} {mutants[number].place}\n     - {before}\n     + {after}")
        return 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        kept = options.map or Path(name) / "map.json"
        if not kept.exists():
            kept.write_text(json.dumps(survey(Path(name), options.rooms, options.tests, options.each, options.jobs)))
        known = Map(json.loads(kept.read_text()))
        for test in sorted(known.failed):
            print(f"fails without a mutant, not used: {known.tests[test]}")
        preload(known.modules)
        running = Round(mutants, known, options)
        running.run(chosen, Path(name))
    verdicts = [running.verdicts[number] for number in chosen]
    survivors = [number for number in chosen if not running.verdicts[number].is_killed]
    print(f"\n{len(survivors)} of {len(verdicts)} survived (seed {options.seed}):")
    for number in survivors:
        print(told(number, running.verdicts[number]))
    print(f"\n{table(verdicts, options.rooms)}")
    return int(100 * (len(verdicts) - len(survivors)) < options.at_least * len(verdicts))


if __name__ == "__main__":
    sys.exit(main())
