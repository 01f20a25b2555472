"""Virtio devices, their queues and their transports."""
