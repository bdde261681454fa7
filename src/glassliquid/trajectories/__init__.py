"""The files of one simulation: our own store, and readers of foreign formats."""
