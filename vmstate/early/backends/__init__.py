"""Back ends of a virtio device, as machines that accept only legal orders of operations.

`Tap`, `VhostNet`, `VhostUser` and `VhostVdpa` are the destination's back ends, each after QEMU has opened it. A back
end knows the orders in which it is brought up (`early_start`, `finish`, `stop`), and checks every operation that it is
given, whoever made the list, against its one table of steps. The state of a machine is a set of facts about the device
and one about each queue; a step says which facts it needs, which it must not find, which it makes and which it ends.

The rules are those of who answers in the end.

* Linux's drivers/vhost: EBUSY for SET_VRING_NUM and SET_VRING_BASE while a back end is bound; `used->idx` is read when
  it is bound.
* Linux's drivers/vhost/vdpa.c: features once; in newer kernels no SET_VRING_ADDR and SET_VRING_BASE after DRIVER_OK
  unless the device is suspended; enabling after DRIVER_OK only if the parent says so.
* QEMU's docs/interop/vhost-user.rst: a ring is started by its kick and stopped by GET_VRING_BASE.
* In the early phase no guest memory is there: nothing is done that reads a ring, and nothing that would let a back end
  read one by itself.
"""

from __future__ import annotations

from vmstate.early.backends.base import Backend
from vmstate.early.backends.kernel import Tap, VhostNet
from vmstate.early.backends.user import VhostUser
from vmstate.early.backends.vdpa import VhostVdpa

BACKENDS: dict[str, type[Backend]] = {kind.name: kind for kind in (Tap, VhostNet, VhostUser, VhostVdpa)}
"""The back ends by name."""
