"""A Prefect flow that does nothing, to measure the cost of any flow."""

from prefect import flow


@flow
def empty() -> None:
    """Do nothing."""


if __name__ == "__main__":
    empty()
