"""How a study runs, and what is concluded from it."""
