"""Images of configurations: drawing, building datasets from ensembles, loading and augmenting them."""
