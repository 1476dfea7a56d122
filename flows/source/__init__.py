"""The dlt source of Drip: every resource from one table of endpoints. It knows nothing of Prefect."""

from flows.source.endpoints import DEFAULT_RESOURCES, ENDPOINTS, Endpoint
from flows.source.source import drip_source

__all__ = ["DEFAULT_RESOURCES", "ENDPOINTS", "Endpoint", "drip_source"]
