"""The folder that is worked in: what git says of it, and what changes in it."""
