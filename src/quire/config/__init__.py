"""Configuration: TOML layers with provenance, trust, and where the repository is."""
