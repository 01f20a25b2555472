"""vhost: the ABI between QEMU, a back end outside it, and the guest's rings; and what of it is in a stream.

`user` has the messages of vhost-user, `kernel` the structures and ioctl numbers of Linux's vhost, `vring` the rings in
guest memory: none of them is ever in a migration stream, and all are declared in construct. `element` and `inflight`
are parts of streams, declared as every other device is; they do not import construct, which is slow to load.
"""
