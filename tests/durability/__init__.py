"""What was acknowledged holds: through a kill, and on every process."""
