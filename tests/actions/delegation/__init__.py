"""Apps that act for users."""
