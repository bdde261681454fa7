"""Training: settings, learning-rate schedules, the trainer and its checkpoints."""
