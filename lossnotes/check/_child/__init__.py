"""What runs where student code runs. Nothing here imports the rest of `lossnotes`: a child is given none of the checker."""
