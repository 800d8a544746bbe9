"""Read models for operators: overview, holders of permissions, consequences of a deletion, choices of a form."""
