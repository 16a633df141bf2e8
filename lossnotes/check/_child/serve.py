"""The pipe: a request a line, an answer a line."""

from json import dumps, loads  # by their own names: a submission may change those of the module

from .session import Session


def serve(read, write, how):
    """Answer until there is nothing more to read. `read` and `write` are binary files; `how` it is shut in is the first thing said."""

    def send(message):
        write.write(dumps(message).encode() + b"\n")
        write.flush()

    send(how)
    session = Session(send)
    for line in read:
        request = loads(line)
        send(session.answer(request) | {"id": request["id"]})
