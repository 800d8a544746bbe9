"""The page that compares the kinds of credential."""
