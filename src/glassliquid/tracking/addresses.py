"""How registered models are called."""

REGISTERED_NAME = "glass-liquid"
"""What models are registered as, unless the user says otherwise."""


def best_model(dataset: str, name: str = REGISTERED_NAME) -> str:
    """Address of the best registered model that was trained on a dataset."""
    return f"models:/{name}@{dataset}"
