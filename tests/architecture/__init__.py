"""The house keeps its shape: direction of imports, sizes, layout and words."""
