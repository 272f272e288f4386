"""What the offline model can do: one file for each job, each a pure function of the history."""
