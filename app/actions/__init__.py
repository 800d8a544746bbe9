"""What one can do: a verb a module, a transaction a change, an audit event in it. Faces print; this decides."""
