"""Rules about commands: `rules/*.rules`, and what they say of a command line."""
