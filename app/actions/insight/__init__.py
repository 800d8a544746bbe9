"""Read models for operators: overview, every credential, holders of permissions, consequences, choices of a form."""
