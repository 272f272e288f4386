"""Code review, the pure part: what the reviewer is told, and how its answer is read and checked."""
