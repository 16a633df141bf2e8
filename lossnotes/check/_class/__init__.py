"""A class: who handed in what, all of it graded, and what came of it as a gradebook, pages and a summary."""
