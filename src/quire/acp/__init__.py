"""The Agent Client Protocol: Quire as an agent of editors (version 1 of the protocol)."""
