"""Graphics adapters."""
