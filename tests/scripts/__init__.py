"""What a contributor or a curious person runs from scripts/."""
