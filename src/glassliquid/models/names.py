"""The names of the networks, without importing PyTorch."""

MODEL_NAMES = ("compact", "cnn2018")
"""In the order of preference: the first is the default."""
