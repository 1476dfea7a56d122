"""The dlt source for Drip. All resources are defined in one table of endpoints. It does not depend on Prefect."""

from flows.source.endpoints import DEFAULT_RESOURCES, ENDPOINTS, Endpoint
from flows.source.source import drip_source

__all__ = ["DEFAULT_RESOURCES", "ENDPOINTS", "Endpoint", "drip_source"]
