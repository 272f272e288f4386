"""Ratio benchmarks: `scripts/bench`. `docs/benchmarks.md` says what is measured and how."""
