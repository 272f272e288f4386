"""The calls of a client, one file per namespace."""
