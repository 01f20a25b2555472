"""What an Arm processor holds against its own when it loads.

Facts from QEMU's target/arm/machine.c (cpu_post_load) and target/arm/helper.c (write_list_to_cpustate): each register
that comes must be one that the processor has, and is read again after it was written; a constant one has not changed.
"""

from __future__ import annotations

from vmstate.vmsd.destination import AMONG, DestinationRule, DestinationRules

ADVICE = "give the destination the same CPU model with the same features (-cpu), and the same number of CPUs (-smp)"

CPU = DestinationRules(
    (
        DestinationRule(
            "arm-cpu-register-unknown",
            "register_names",
            AMONG,
            "the destination's CPU has not the registers {here}",
            None,
            ADVICE,
            place="cpreg_vmstate_indexes",
        ),
        DestinationRule(
            "arm-cpu-register-constant",
            "constant_registers",
            AMONG,
            "the CPU of the stream is another one: it has {here}, the destination's has {there}",
            None,
            ADVICE,
            place="cpreg_vmstate_values",
        ),
    )
)
