"""What Latchkey stands on breaks, for real. The law: nobody is let in on a guess. What cannot be known is a 503 within
seconds, which says so in the form of the one who asked and tells nothing else; what can be known goes on; and when the
fault is over the server goes on by itself."""
