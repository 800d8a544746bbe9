"""What is sent to a collector, and what is loaded without one."""
