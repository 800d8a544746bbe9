"""The architecture: direction of imports, sizes, layout and words."""
