"""What fits nowhere else."""
