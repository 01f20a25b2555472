"""One test for each thing that vmstate's pytest plugin has; all of it are fixtures, so nothing of it is imported."""

import pytest
from ipoctal import IPOctal

MACHINE = "-M pc-i440fx-7.2 -accel tcg -m 4 -nodefaults -vga none -S -device tpci200 -device ipoctal232"


@pytest.fixture(params=["ipoctal-cold", "ipoctal-receiving"])
def stream(request, golden_stream):
    return golden_stream(request.param)


def test_the_section_is_described_by_this_package(stream):
    # These streams carry no vmdesc: what is read is read by the class.
    assert stream.vmdesc is None
    assert type(stream["ipoctal232"].state) is IPOctal


def test_values(golden_stream):
    module = golden_stream("ipoctal-receiving")["ipoctal232"].state
    assert [channel.rx_enabled for channel in module.ch] == [True] + [False] * 7
    assert bytes(module.ch[0].rhr[: module.ch[0].rx_pending]) == b"hi"


def test_every_byte_is_written_back(stream, assert_roundtrip):
    assert_roundtrip(stream)


def test_what_receiving_changes(golden_stream, assert_same_state):
    cold, receiving = golden_stream("ipoctal-cold"), golden_stream("ipoctal-receiving")
    assert_same_state(cold, receiving, ignore=["ipoctal232.ch[0]"])
    with pytest.raises(AssertionError, match="rx_enabled: False -> True"):
        assert_same_state(cold, receiving, ignore=["ipoctal232.ch*.rhr*", "*.sr"])


def test_qemu_takes_a_change(stream, assert_loads_in_qemu):
    stream["ipoctal232"].state.irq_vector = 0x42
    assert assert_loads_in_qemu(stream, args=MACHINE).status == "prelaunch"


def test_qemu_refuses_what_it_has_no_device_for(stream, assert_loads_in_qemu):
    with pytest.raises(AssertionError, match=r"ipoctal232 at offset 0x.*: the destination has no such device"):
        assert_loads_in_qemu(stream, args=MACHINE.removesuffix("-device ipoctal232"))
