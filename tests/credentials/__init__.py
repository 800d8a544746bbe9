"""The kinds themselves: their formats, their signatures, and what each answers at every moment of its life."""
