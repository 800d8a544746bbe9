"""Who may do what: scopes as values, and what the roles give at this moment."""
