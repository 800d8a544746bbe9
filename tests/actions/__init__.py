"""The verbs, on a real database with a clock of our own: what each changes, refuses and leaves a trace of."""
