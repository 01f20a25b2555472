"""The simulated IPMI management controller.

Facts from QEMU's hw/ipmi/ipmi_bmc_sim.c.
"""

from __future__ import annotations

from vmstate.declare import VMState, array, boolean, description, device, int64, struct, uint8, uint16, variant


@description("ipmi-bmc-sim-lan", version_id=1, minimum_version_id=1)
class Lan(VMState):
    """The settings of its network."""

    channel: int = uint8()
    ipaddr: list[int] = array(uint8, 4)
    ipsrc: int = uint8()
    macaddr_a: list[int] = array(uint8, 6, name="macaddr.a")
    netmask: list[int] = array(uint8, 4)
    defgw_ipaddr: list[int] = array(uint8, 4)
    defgw_macaddr_a: list[int] = array(uint8, 6, name="defgw_macaddr.a")


@device(
    "ipmi-bmc-sim", models="vmstate.devices.misc.models:IPMI_BMC", listed=False, noise={"timer": ("watchdog_expiry",)}
)
@description("ipmi-bmc-sim", version_id=2, minimum_version_id=1)
class IPMIBmcSim(VMState):
    """Watchdog, event buffer and sensors."""

    bmc_global_enables: int = uint8()
    msg_flags: int = uint8()
    watchdog_initialized: bool = boolean()
    watchdog_use: int = uint8()
    watchdog_action: int = uint8()
    watchdog_pretimeout: int = uint8()
    watchdog_expired: int = uint8()
    watchdog_timeout: int = uint16()
    watchdog_running: bool = boolean()
    watchdog_preaction_ran: bool = boolean()
    watchdog_expiry: int = int64()
    evtbuf: list[int] = array(uint8, 16)
    watchdog_sensor_status: int = uint8(name="sensors[0].status")
    watchdog_sensor_reading: int = uint8(name="sensors[0].reading")
    watchdog_sensor_states: int = uint16(name="sensors[0].states")
    watchdog_sensor_assert_states: int = uint16(name="sensors[0].assert_states")
    watchdog_sensor_deassert_states: int = uint16(name="sensors[0].deassert_states")
    watchdog_sensor_assert_enable: int = uint16(name="sensors[0].assert_enable")
    lan: Lan = struct(Lan, version=2)


IPMI_BMC_SIM_7_2 = variant(IPMIBmcSim, None, 1, watchdog_expired=boolean(), lan=None)
"""The layout up to 7.2."""
