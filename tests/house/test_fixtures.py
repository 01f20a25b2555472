"""The recorded streams: small enough for a repository, each with its provenance, and whole only where it says why."""

from __future__ import annotations

import hashlib
import lzma
from pathlib import Path

import explain_cases
import pytest
from recorded import DUMPS, FIXTURES, PROVENANCE, QUICK, STREAMS, TRANSCRIPTS, plain

from vmstate import load, thin
from vmstate.qemu.provenance import SUFFIX, provenance_path, read_provenance

LARGEST = 12_000_000
SEEDS = sorted(str(path.relative_to(FIXTURES)) for path in (FIXTURES / "fuzz").rglob("*.mig.xz"))
DESTINATIONS = [f"explain/machines/{name}.json" for name in explain_cases.MACHINES]
THINNED = [file for file in STREAMS if "original" in PROVENANCE[file]]
WHOLE = [file for file in STREAMS if "whole" in PROVENANCE[file]]


def test_the_folder_is_small() -> None:
    files = [path for path in FIXTURES.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LARGEST


def test_each_stream_has_its_provenance_and_each_provenance_its_file() -> None:
    described = [*STREAMS, *SEEDS, *DUMPS, *(f"vhost-user/{name}" for name in TRANSCRIPTS), *DESTINATIONS]
    places = [str(path.relative_to(FIXTURES)) for path in FIXTURES.rglob(f"*{SUFFIX}")]
    assert sorted(map(provenance_path, described)) == sorted(places)
    assert len(STREAMS) > 140
    for file in described:
        known = read_provenance(FIXTURES / file)
        assert known is not None
        beside = known["files"] if "files" in known else [known["file"]]
        assert all((FIXTURES / file).with_name(name).is_file() for name in [*beside, *known.get("traces", [])])
        assert "files" in known or known["file"] == Path(file).name


@pytest.mark.parametrize("file", [*SEEDS, *DUMPS])
def test_it_is_the_file_that_the_provenance_means(file: str) -> None:
    """Of the streams tests/stream/test_corpus.py says it."""
    known = read_provenance(FIXTURES / file)
    data = lzma.decompress((FIXTURES / file).read_bytes())
    assert known is not None
    assert (known["size"], known["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


@pytest.mark.parametrize("file", STREAMS)
def test_a_stream_is_thin_or_says_why_it_is_whole(file: str) -> None:
    known = PROVENANCE[file]
    assert not ("whole" in known and known.get("thinned"))
    if "whole" not in known:
        assert b"".join(thin(plain(file))) == plain(file)
        assert known.get("thinned") or not load(plain(file)).ram.blocks or "s390x" in file
        return
    assert len(known["whole"]) > 10
    # Of mapped-ram the pages become zeros, which take as much of the stream.
    whole, small = plain(file), b"".join(thin(plain(file)))
    assert len(small) < len(whole) or (known.get("format") == "mapped-ram" and small.count(0) > whole.count(0))


@pytest.mark.parametrize("file", THINNED)
def test_what_was_left_out_is_known(file: str) -> None:
    known = PROVENANCE[file]
    assert known["thinned"] is True and known["original"]["file"] == Path(file).name
    assert known["original"]["size"] > known["size"] == len(plain(file))
    assert len(known["original"]["sha256"]) == 64 and known["original"]["sha256"] != known["sha256"]


def test_whole_streams_are_of_every_release_and_shape() -> None:
    """What is tested of pages is tested with pages that each release wrote."""
    assert {PROVENANCE[file]["qemu_version"] for file in WHOLE} == {"5.2", "7.2", "10.0", "11.1"}
    capabilities = {name for file in WHOLE for name in PROVENANCE[file].get("capabilities", ())}
    assert capabilities >= {"postcopy-ram", "xbzrle", "compress", "background-snapshot", "return-path", "mapped-ram"}
    assert len(THINNED) > 90


def test_the_quick_streams_are_thin_and_one_of_each_release() -> None:
    releases = [PROVENANCE[file]["qemu_version"] for file in QUICK]
    assert sorted(releases) == sorted({known["qemu_version"] for known in PROVENANCE.values()})
    assert all(PROVENANCE[file]["thinned"] for file in QUICK)
