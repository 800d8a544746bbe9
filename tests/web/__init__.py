"""The pages, in real Chromium and without one."""
