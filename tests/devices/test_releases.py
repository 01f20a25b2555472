"""What one release writes and another reads otherwise, as real QEMU 7.2, 10.0 and 11.1 did it."""

from __future__ import annotations

from typing import Any

import pytest
from recorded import plain

from vmstate import VMStateDescription, VMStateError, load
from vmstate.declare import RELEASE, Release
from vmstate.devices.core.fifo8 import Fifo8
from vmstate.devices.scsi.esp import ESP
from vmstate.devices.scsi.esp_pci import PCI_ESP_7_2, PCI_ESP_10_0, PCIESP
from vmstate.devices.timer.hpet import HPET
from vmstate.devices.virtio.console import VirtIOSerial, VirtIOSerialPort
from vmstate.rules import broken
from vmstate.schema.contradiction import contradicts

ESPS: dict[int, VMStateDescription[PCIESP]] = {6: PCI_ESP_7_2, 7: PCI_ESP_10_0, 8: PCIESP.vmsd}


def fifo(size: int) -> Fifo8:
    return Fifo8(data=bytes(size))


def esp_of(version: int) -> PCIESP:
    """A controller as the release with this version of `esp` writes it."""
    esp = ESP(data_ready=True, cmdfifo_cdb_offset=0, lun=3, fifo=fifo(16), cmdfifo=fifo(32))
    state = PCIESP(mig_version_id=version, esp=esp)
    state.parent_obj.conventional_config = bytes(256)
    state.esp.mig_ti_cmd = 5 if version == 6 else None
    state.esp.asc_mode = 0 if version == 8 else None
    return state


@pytest.mark.parametrize(
    ("source", "destination", "loads"),
    [
        (6, 7, False),
        (7, 6, True),
        (7, 8, True),
        (8, 7, False),
        (6, 8, False),
        (8, 6, False),
        (6, 6, True),
        (7, 7, True),
        (8, 8, True),
    ],
)
def test_esp_goes_by_the_version_sent_but_not_above_its_own(source: int, destination: int, loads: bool) -> None:
    """`drq_state` is read whatever the version; 7.2 takes a version 7 for its own 6, of as many bytes."""
    facts = {"pci_express": False}
    data = ESPS[source].encode(esp_of(source), facts=facts)
    if not loads:
        with pytest.raises(VMStateError):
            ESPS[destination].decode(data, version_id=2, facts=facts)
        return
    state = ESPS[destination].decode(data, version_id=2, facts=facts)
    # The byte of ti_cmd is that of lun, and lun is drq_state.
    assert state.esp.lun == (0 if (source, destination) == (7, 6) else 3)


def test_a_vmdesc_says_which_layout_it_is() -> None:
    assert not contradicts(PCI_ESP_10_0, PCI_ESP_10_0)
    assert contradicts(PCI_ESP_10_0, PCIESP.vmsd)
    assert contradicts(PCIESP.vmsd, PCI_ESP_7_2)


def judged(vmsd: VMStateDescription[Any], state: Any, own: Any, release: Release) -> list[str]:
    results = broken(vmsd, state, own=own, facts={RELEASE.name: release})
    return [result.rule.id for result in results if result.is_judged]


def test_the_timers_of_hpet() -> None:
    state, destination = HPET(num_timers_save=8), HPET(num_timers_save=3)
    assert "hpet-timers" not in judged(HPET.vmsd, state, destination, Release(7, 2))
    for release in (Release(10, 0), Release(11, 1)):
        assert "hpet-timers" in judged(HPET.vmsd, state, destination, release)
        assert "hpet-timers" not in judged(HPET.vmsd, state, HPET(num_timers_save=8), release)


def test_number_0_is_a_port_where_there_is_one() -> None:
    """The map of ports has its bit whether there is a console or not."""
    with load(plain("recorded/qemu-11.1-q35-virtio-devices-cold.mig.xz")) as stream:
        section = next(section for section in stream.sections if section.name.endswith("/virtio-console"))
        state = VirtIOSerial.vmsd.decode(section.payload(), version_id=section.version_id)
        destination = VirtIOSerial.vmsd.decode(section.payload(), version_id=section.version_id)
    state.virtio.ports, state.virtio.nr_active_ports = [VirtIOSerialPort(id=0)], 1
    destination.virtio.nr_active_ports = 1
    destination.virtio.ports_map = list(state.virtio.ports_map)
    destination.virtio.ports = [VirtIOSerialPort(id=1)]
    assert destination.virtio.ports_map[0] & 1
    assert "virtio-serial-port" in judged(VirtIOSerial.vmsd, state, destination, Release(11, 1))
    destination.virtio.ports = [VirtIOSerialPort(id=0)]
    assert "virtio-serial-port" not in judged(VirtIOSerial.vmsd, state, destination, Release(11, 1))
