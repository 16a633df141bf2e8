"""One submission: a sheet, a process for the student's code, and the verdict, which is formed here."""
