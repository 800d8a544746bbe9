"""The fast lane says what Flask says, to the byte, and never later than the last committed change."""
