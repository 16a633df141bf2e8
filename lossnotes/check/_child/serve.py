"""The pipe: a request a line, an answer a line."""

import json

from .session import Session


def serve(read, write):
    """Answer until there is nothing more to read. `read` and `write` are binary files."""

    def send(message):
        write.write(json.dumps(message).encode() + b"\n")
        write.flush()

    session = Session(send)
    for line in read:
        request = json.loads(line)
        send(session.answer(request) | {"id": request["id"]})
