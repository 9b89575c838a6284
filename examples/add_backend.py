"""A teacher of your own: any program that reads a prompt from its standard input and writes its reply.

mathstrap run demo teacher.backend=examples/add_backend.py:open_teacher 'teacher.settings.command=[my-model, --once]'
"""

import asyncio

from mathstrap.errors import InputError, TransientError
from mathstrap.types import Completion


class Program:
    """Starts the command once for each request."""

    supports_n = False  # one draw per call

    def __init__(self, command, model, max_in_flight):
        self.command, self.model, self.max_in_flight = command, model, max_in_flight

    async def ask(self, requests):
        """Answer the first request; TransientError asks again later, TeacherError ends the run."""
        request = requests[0]
        prompt = "\n\n".join(message.content for message in request.messages)
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*self.command, stdin=pipe, stdout=pipe)
        reply, _ = await process.communicate(prompt.encode())
        if process.returncode:
            raise TransientError(f"{self.command[0]} ended with {process.returncode}.")
        text = reply.decode(errors="replace")
        return [
            Completion(request=request.id, key=request.key, text=text, finish_reason="stop", tokens_out=len(text) // 4)
        ]

    async def close(self):
        """Give nothing back: every process has ended by now."""


def open_teacher(options):
    """Return the teacher that a recipe's `teacher:` section describes."""
    command = options.settings.get("command")
    if not command:
        raise InputError("teacher.settings.command: expected the program and its arguments as a list.")
    return Program(command, options.model or command[0], options.max_in_flight or 4)
