"""The engines: each module is one, and the name of the module is its name."""
