"""The request's context: paths, prefixes, the envelope of every answer."""
