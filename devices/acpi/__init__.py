"""Power management, hotplug and what else ACPI describes."""
