"""What we send in Qwen-Omni Realtime: the client's events, in one of two vocabularies.

``service`` are the names that the service understands (section 4). ``handbook`` are those
of the vendor's handbook (section 15), for a simulator or a gateway of one's own: it nests
what an event says in ``data``, has no request for a response, and no way to cancel one.
"""

from base64 import b64encode
from binascii import b2a_base64
from collections.abc import Mapping
from typing import Any

from mmid.json_text import written
from mmid.session.dialects.dialect import Function

# The way to have a given text spoken (section 18) [unconfirmed: how literally it is obeyed].
_SAY = "Say exactly the following text, word by word, and nothing else: {}"


class ClientEvents:
    """Writes events.

    Args:
        handbook: in the handbook's words.
    """

    def __init__(self, *, handbook: bool) -> None:
        self.handbook = handbook

    def speech(self, data: bytes) -> str:
        """Carry samples, 16-bit little-endian mono."""
        # No json.dumps: base64 needs no escaping, and this runs ten times a second.
        audio = b2a_base64(data, newline=False).decode("ascii")
        if self.handbook:
            return f'{{"type":"input_audio_buffer.append","data":{{"audio":"{audio}"}}}}'
        return f'{{"type":"input_audio_buffer.append","audio":"{audio}"}}'

    def session(self, session: Mapping[str, Any]) -> str:
        """Ask for the whole session."""
        if self.handbook:
            return written({"type": "session.create", "data": session})
        return written({"type": "session.update", "session": session})

    def change(self, fields: Mapping[str, Any]) -> str:
        """Change some fields of the session."""
        key = "data" if self.handbook else "session"
        return written({"type": "session.update", key: fields})

    def commit(self) -> str:
        """The speech is over; in the handbook's words this asks for the response as well."""
        return self._plain("input_audio_buffer.commit")

    def clear(self) -> str:
        """Forget the speech."""
        return self._plain("input_audio_buffer.clear")

    def respond(self) -> list[str]:
        """Ask for a response to what was committed, written or answered."""
        return [] if self.handbook else [written({"type": "response.create"})]

    def cancel(self) -> str:
        """End the response that is active."""
        return self._plain("response.cancel")

    def say(self, text: str) -> str:
        """Have a text spoken."""
        instructions = _SAY.format(text)
        return written({"type": "response.create", "response": {"instructions": instructions}})

    def text(self, text: str) -> str:
        """Write what a person would have said."""
        if self.handbook:
            return written({"type": "input_text", "data": {"text": text}})
        content = [{"type": "input_text", "text": text}]
        return self._item({"type": "message", "role": "user", "content": content})

    def image(self, data: bytes) -> str:
        """Show a JPEG."""
        image = b64encode(data).decode("ascii")
        if self.handbook:
            return written({"type": "input_image", "data": {"image": image}})
        return written({"type": "input_image_buffer.append", "image": image})

    def output(self, call_id: str, output: str) -> str:
        """Answer a call of a function; ``output`` is what it returned, JSON for most."""
        if self.handbook:
            data = {"tool_call_id": call_id, "output": output}
            return written({"type": "input_tool_output", "data": data})
        return self._item({"type": "function_call_output", "call_id": call_id, "output": output})

    def finish(self) -> str:
        """Say goodbye."""
        return self._plain("session.finish")

    def _item(self, item: Mapping[str, Any]) -> str:
        return written({"type": "conversation.item.create", "item": item})

    def _plain(self, kind: str) -> str:
        return written({"type": kind, "data": {}} if self.handbook else {"type": kind})


def declaration(function: Function) -> dict[str, Any]:
    """Return how a function is declared in the session (section 10)."""
    described = {
        "name": function.name,
        "description": function.description,
        "parameters": dict(function.parameters),
    }
    return {"type": "function", "function": described}
