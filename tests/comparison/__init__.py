"""The comparison: complete, true to the contract where the server is, and loud where it is not."""
