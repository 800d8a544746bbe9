"""The verbs, on a real SQLite file with a clock of our own: what each changes, refuses and leaves a trace of."""
