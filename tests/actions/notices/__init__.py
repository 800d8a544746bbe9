"""Which notices are written, and how they reach their readers."""
