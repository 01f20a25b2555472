"""The migration stream: reader, writer, sections, RAM."""
