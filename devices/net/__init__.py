"""Network cards that are not virtio."""
