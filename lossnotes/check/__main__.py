"""``python -P -m lossnotes.check homework.py``: see `_command`."""

import sys

from lossnotes.check._command import main

if __name__ == "__main__":
    sys.exit(main())
