"""The usual mistakes, a file for each family of functions."""
