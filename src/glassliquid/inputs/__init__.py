"""What a network reads of a sample."""
