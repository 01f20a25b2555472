"""`Finding`: what `verify`, `check`, `compat` and `explain` have to say of one place in a stream."""

from __future__ import annotations

from vmstate.vmsd.data import Value


class Finding(Value):
    """Something to know about a stream, or about a field of it.

    `rule` is the stable id of what is looked for. `severity` is "error" (the stream is not what it should be) or "note"
    from `verify` and `check`, and a word of `vmstate.compare.findings.SEVERITIES` from a comparison. `section` is the
    section's idstr, `path` the field in it, each None where the finding is of nothing as narrow. `offset` is in bytes
    from the beginning of the stream, None where it is not known.
    """

    rule: str
    severity: str
    section: str | None
    path: str | None
    offset: int | None
    message: str
