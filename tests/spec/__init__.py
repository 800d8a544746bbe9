"""A file an RFC, over HTTP against a live server; each test names the section that it checks."""
