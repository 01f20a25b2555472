"""PCI: what every device carries, and host bridges."""
