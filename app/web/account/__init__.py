"""/login, /logout and /account: signing in, and what a user manages about themselves."""
