"""The dlt source of Drip: eleven resources from one table of endpoints. It knows nothing of Prefect."""

from flows.source.drip import drip_source
from flows.source.endpoints import ENDPOINTS, Endpoint

__all__ = ["ENDPOINTS", "Endpoint", "drip_source"]
