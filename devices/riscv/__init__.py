"""The processor of RISC-V machines."""
