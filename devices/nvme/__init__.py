"""NVM Express."""
