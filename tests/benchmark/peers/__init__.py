"""What Latchkey is compared with, each a program of its own: nothing here is imported by the others."""
