"""The suite: laid out as app/ is; flows go over HTTP to a live server, and no test needs another to have run before."""
