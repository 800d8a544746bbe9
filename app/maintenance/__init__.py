"""What a person runs on a server: bootstrap, backup, doctor, demo, scan; and the schedule of key rotation."""
