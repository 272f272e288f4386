"""How well the offline model repairs small broken programs: `scripts/bench repair`."""
