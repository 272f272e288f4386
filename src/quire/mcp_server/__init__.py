"""Quire as an MCP server: turns of threads as tools (Model Context Protocol)."""
