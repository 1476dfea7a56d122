"""dlt's configuration as the project has it, whichever folder the command or notebook was started in."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.toml import TomlProviderReadException
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.runtime.run_context import RunContext, switched_run_context

from flows.common.project import project_root
from flows.source.settings_files import unreadable


class ProjectContext(RunContext):
    """A run context that `in_project` made."""


@contextmanager
def in_project() -> Iterator[None]:
    """Have dlt look for `.dlt/` and relative paths in the project until the block ends.

    Whatever else dlt was told to look into, such as Prefect's blocks, stays. Within another such block for the
    same project nothing changes.

    Raises:
        SettingsError: there is no project folder, or one of dlt's files cannot be read.
    """
    with ExitStack() as stack:
        try:
            _switch(ProjectContext(str(project_root())), stack)
        except TomlProviderReadException as error:
            raise unreadable(error) from None
        yield


def _switch(context: ProjectContext, stack: ExitStack) -> None:
    current = Container()[PluggableRunContext]
    if isinstance(current.context, ProjectContext) and current.context.run_dir == context.run_dir:
        return
    before = current.providers.providers
    stack.enter_context(switched_run_context(context))
    here = Container()[PluggableRunContext].providers
    for provider in before:
        if provider.name not in here:
            here.add_provider(provider)
