"""SCSI controllers and devices."""
