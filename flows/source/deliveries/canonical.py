"""The identity of an event: a hash of its canonical form, since deliveries carry no id of their own.

Two deliveries are the same event where account, event, person, second and properties are equal as JSON values: the
order of keys, white space, escapes and the way a number is written make no difference. The snapshot of the subscriber
takes no part: it differs between the repeats of one delivery.
"""

import hashlib
import json
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from typing import Any


class Number(str):
    """A number of JSON in its canonical form, exact whatever its size."""

    __slots__ = ()

    def __new__(cls, text: str) -> "Number":
        """The canonical form of `text`: digits without zeros at either end, and an exponent."""
        if len(text) < 16 and (text.isdigit() or text[1:].isdigit()):
            return super().__new__(cls, text if text != "-0" else "0")
        return super().__new__(cls, _canonical_number(text))


def event_id(account: str, parts: Sequence[bytes]) -> str:
    """SHA-256, in hexadecimal, of an account and the JSON texts that identify one of its events.

    Raises:
        UnicodeEncodeError: a text has half a surrogate pair.
        RecursionError: it is nested too deep.
    """
    values = [json.loads(part, parse_int=Number, parse_float=Number) for part in parts]
    return hashlib.sha256(canonical([account, *values]).encode()).hexdigest()


def canonical(value: Any) -> str:
    """The canonical JSON text of a value whose numbers are `Number`."""
    if isinstance(value, Number) or value is None or isinstance(value, bool):
        return str(value) if isinstance(value, Number) else json.dumps(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{','.join(map(canonical, value))}]"
    return f"{{{','.join(f'{canonical(key)}:{canonical(value[key])}' for key in sorted(value))}}}"


def _canonical_number(text: str) -> str:
    try:
        sign, digits, exponent = Decimal(text).as_tuple()
    except InvalidOperation:  # an exponent beyond those of Decimal
        return text.lower()
    written = "".join(map(str, digits)).lstrip("0")
    significant = written.rstrip("0")
    if not significant:
        return "0"
    power = int(exponent) + len(written) - len(significant)
    sign_text = "-" if sign else ""
    if power >= 0 and len(significant) + power < 16:
        return sign_text + significant + "0" * power
    return f"{sign_text}{significant}e{power}"
