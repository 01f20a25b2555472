"""Mistakes that a type checker has to see. It is checked, not run (tests/house/test_types.py).

Behind each stands the rule of mypy and the rule of pyright that say so.
"""

from __future__ import annotations

import vmstate
from vmstate.declare import VMState, array, buffer, description, struct, subsection, uint8, uint16, variant
from vmstate.devices.virtio.net import VirtIONet


@description("part/more")
class More(VMState):
    level: int = uint8()


@description("part")
class Part(VMState):
    a: str = uint8()  # mistake: assignment reportAssignmentType
    b: int = uint8(versoin=1)  # mistake: call-overload reportCallIssue
    c: int = uint8(version="1")  # mistake: call-overload reportArgumentType
    d: bytes = buffer("8")  # mistake: call-overload reportArgumentType
    e: list[str] = array(uint16, 4)  # mistake: arg-type reportAssignmentType
    f: str = struct(More)  # mistake: assignment reportAssignmentType
    g: More = subsection(More)  # mistake: assignment reportAssignmentType


part = Part(h=1)  # mistake: call-arg reportCallIssue
part.h = 1  # mistake: attr-defined reportAttributeAccessIssue
part.b = "1"  # mistake: assignment reportAttributeAccessIssue
Part.vmsd.encode(More())  # mistake: arg-type reportArgumentType
Part.vmsd.decode("text")  # mistake: arg-type reportArgumentType
Part.vmsd.decode(b"").h  # mistake: attr-defined reportAttributeAccessIssue
Part.vmsd.trace(b"")["a"].start  # mistake: attr-defined reportAttributeAccessIssue
variant(Part, "part", "1")  # mistake: arg-type reportArgumentType
variant(1)  # mistake: arg-type reportArgumentType

vmstate.nothing  # mistake: attr-defined reportAttributeAccessIssue
vmstate.load(1)  # mistake: arg-type reportArgumentType
stream = vmstate.load("guest.mig", facts=[1])  # mistake: arg-type reportArgumentType
stream["serial"].trace()["a"].start  # mistake: attr-defined reportAttributeAccessIssue
stream.section("virtio-net", VirtIONet).state.nothing  # mistake: attr-defined reportAttributeAccessIssue
stream.save(b"")  # mistake: arg-type reportArgumentType
vmstate.compat("a", "b", direction="sideways")  # mistake: arg-type reportArgumentType
vmstate.diff(1, "b")  # mistake: arg-type reportArgumentType

event = vmstate.StreamReader().next_event()
event.offset  # mistake: union-attr reportAttributeAccessIssue
