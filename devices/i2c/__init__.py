"""I2C and SMBus."""
