"""Commands that write to Prefect: Secret blocks and deployments."""

from typing import Annotated

import typer

from flows.cli.exits import plain_errors
from flows.cli.output import activity, remark
from flows.orchestration.settings import apply_prefect_settings

POOL_HELP = "Type of work pool: process, docker, kubernetes, prefect:managed, or a push pool such as cloud-run:push."
PACKAGE_HELP = "What prefect:managed installs: a git URL of the project, or its name in an index."
prefect_commands = typer.Typer()


@prefect_commands.command()
def secret(
    setting: Annotated[str, typer.Argument(metavar="SETTING", help="The setting, such as SOURCES__DRIP__API_KEY.")],
) -> None:
    """Save a secret setting in a Prefect Secret block.

    Prompts for the value. Workers read it when a run starts.

    Exit codes: 0 it is saved; 2 it is not.
    """
    with plain_errors():
        apply_prefect_settings()
        from flows.orchestration.api_check import check_prefect
        from flows.orchestration.secret_blocks import block_of, save

        block = block_of(setting)
        check_prefect(remark)
        save(setting, typer.prompt(setting, hide_input=True))
        typer.echo(f"{setting} is saved in the Secret block {block}")


@prefect_commands.command()
def deploy(
    pool: Annotated[str, typer.Option(help="The work pool; created if it does not exist.")] = "drip",
    kind: Annotated[str, typer.Option("--type", help=POOL_HELP)] = "process",
    package: Annotated[str, typer.Option(help=PACKAGE_HELP)] = "",
    image: Annotated[
        str, typer.Option(help="Image with the project installed; needed by all types but process and prefect:managed.")
    ] = "",
    destination: Annotated[str, typer.Option(help="Where the syncs load to. Default: as in prefect.yaml.")] = "",
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show the output of `prefect deploy` too.")] = False,
) -> None:
    """Deploy the flows of prefect.yaml to Prefect.

    Run it in the folder of the project. Prints the deployments with their schedules, and how to start a worker and a
    run.

    Exit codes: 0 all is deployed; 1 Prefect refused something; 2 nothing could start.
    """
    with plain_errors(starting="Starting Prefect's client"):
        with activity("Starting Prefect's client"):
            apply_prefect_settings()
            from flows.cli.deploy import run_deploy

        run_deploy(pool, kind, image, destination, package, verbose)
