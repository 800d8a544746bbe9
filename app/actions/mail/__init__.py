"""Mail: hand a message over to the mail server, and compose the messages in the languages of their readers."""
