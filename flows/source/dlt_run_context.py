"""Makes dlt use the project's configuration, regardless of the folder a command or notebook is started in."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from dlt.common.configuration.container import Container
from dlt.common.configuration.providers.toml import TomlProviderReadException
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.runtime.run_context import RunContext, switched_run_context

from flows.common.project import project_root
from flows.source.dlt_hint_cache import cache_hints
from flows.source.settings_files import unreadable


class ProjectContext(RunContext):
    """A run context created by `in_project`."""


@contextmanager
def in_project() -> Iterator[None]:
    """Make dlt resolve `.dlt/` and relative paths in the project folder while the block runs.

    Other configuration providers, such as Prefect's blocks, are kept. A nested block for the same project does nothing.

    Raises:
        SettingsError: the project folder is missing, or one of dlt's files cannot be read.
    """
    cache_hints()
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
