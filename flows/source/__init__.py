"""The dlt source of Drip: every resource from one table of endpoints. It knows nothing of Prefect."""

from flows.source.drip import drip_source
from flows.source.endpoints import DEFAULT_RESOURCES, ENDPOINTS, Endpoint

__all__ = ["DEFAULT_RESOURCES", "ENDPOINTS", "Endpoint", "drip_source"]
