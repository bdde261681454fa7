"""All simulations of one protocol: their splits, and making or importing them here or on a cluster."""
