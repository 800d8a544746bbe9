"""The operator's pages: everything they change goes through the actions, everything they show is escaped."""
