"""The mail server, and what the messages say."""
