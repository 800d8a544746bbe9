"""The comparison is complete, and marks each cell in which the server contradicts its contract."""
