"""How an account is named for people: by its id, with its name beside it."""

from collections.abc import Mapping

LONGEST_NAME = 40
"""Characters of an account's name that are shown."""


def account_label(account_id: str, names: Mapping[str, str]) -> str:
    """`1000001 (Corner Shop)`; the id alone where the name is not known.

    Args:
        account_id: of the account.
        names: by account id.
    """
    name = short_name(names.get(account_id))
    return f"{account_id} ({name})" if name else account_id


def short_name(name: str | None) -> str:
    """A name in one line, cut where it is too long to be shown; empty where there is none."""
    line = " ".join((name or "").split())
    return line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 1].rstrip() + "…"
