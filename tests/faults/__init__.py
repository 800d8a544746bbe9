"""Real failures of what the server depends on. Nothing is allowed on a guess: what cannot be known is a 503 within
seconds, in the format of the endpoint and without details; all else keeps working; afterwards the server recovers."""
