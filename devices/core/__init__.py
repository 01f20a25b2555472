"""What belongs to the machine as a whole, and small parts that many devices carry."""
