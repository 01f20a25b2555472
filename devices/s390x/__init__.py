"""The s390x machine: channel subsystem, SCLP, floating interrupts, processor."""
