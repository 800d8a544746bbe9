"""The parts of `scripts/fuzz`. The rule of this package: a seed or a file reproduces every finding."""
