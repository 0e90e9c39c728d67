"""What Klikvoor is measured against: the conventional design, and a relay that does nothing else."""
