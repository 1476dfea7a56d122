"""A Prefect flow that does nothing: what any flow costs."""

from prefect import flow


@flow
def empty() -> None:
    """Nothing."""


if __name__ == "__main__":
    empty()
