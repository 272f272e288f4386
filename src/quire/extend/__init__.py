"""What people and projects add: instructions now; skills, hooks and servers later."""
