"""Quire: an open coding agent that you can trust with your machine.

Importing this package loads nothing but its version.
"""

__version__ = "0.1.0"
