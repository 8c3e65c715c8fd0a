"""What may be kept and what may be sent."""
