"""The results log of an experiment as one self-contained HTML page."""
