"""A search for small repairs of Python programs with failing tests.

Runs in the interpreter of the project it repairs, by path, with nothing but the standard library
(and the project's own pytest): Python 3.9 or later, no import of Quire. `main` is the entry.
"""
