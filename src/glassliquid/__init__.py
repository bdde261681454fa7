"""glassliquid: simulate a two-dimensional glass former, draw it, and train networks to tell glass from liquid."""

__version__ = "0.1.0"
