"""IDE and AHCI."""
