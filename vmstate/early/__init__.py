"""Early migration: device state that is sent while the guest runs, and what is to be done about it at stop-and-copy."""
