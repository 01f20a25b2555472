"""ISA bridges and the parts in them."""
