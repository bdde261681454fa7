"""From an entry point's settings to its tracked result: the module of its name, with its parts beside it (`sweep_*`, `transfer_*`)."""
