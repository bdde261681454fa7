"""What happens inside a tracked run: training, resuming, repeating, transferring."""
