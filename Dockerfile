# The project with PostgreSQL's driver and JupyterLab: for workers whose runs take place in containers, and for
# compose.yaml. Checked by hadolint; no engine was to be had to build it where it was written.
FROM python:3.11-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    DLT_PROJECT_DIR=/app \
    PREFECT_SERVER_ANALYTICS_ENABLED=false

WORKDIR /app

# The lock as constraints: the pinned versions of what is needed here, without the tools of the tests.
COPY pyproject.toml requirements.lock README.md LICENSE prefect.yaml ./
COPY .dlt/config.toml .dlt/config.toml
COPY flows flows
COPY notebooks notebooks
RUN pip install --no-cache-dir --constraint requirements.lock --editable ".[postgres,notebooks]" \
    && useradd --create-home --uid 1000 drip \
    && install --directory --owner drip --mode 700 data

# What has to outlive a container: a DuckDB file, where one is used, and what landed of an interrupted run.
VOLUME /app/data
USER 1000

CMD ["drip-flows", "--help"]
