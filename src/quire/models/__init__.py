"""Adapters of the `Model` port. Importing this package loads nothing."""
