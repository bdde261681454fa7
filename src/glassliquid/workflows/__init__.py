"""One module an entry point: what it does from its settings to its tracked result."""
