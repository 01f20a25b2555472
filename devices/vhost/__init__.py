"""What devices with a back end outside QEMU share."""
