"""Bootstrap, the schedule of rotation, the secret scanner."""
