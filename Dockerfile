# The daemon as a container image, for every platform that python:3.13-slim and the wheels of the dependencies are made for:
#
#   docker build --tag mail-exporter .
#   docker buildx build --platform linux/amd64,linux/arm64 --tag registry.example.com/mail-exporter --push .
#
# Where packages come from an index of one's own: --secret id=pip.conf,src=$HOME/.config/pip/pip.conf
# docs/operating.md says how to run it.

FROM python:3.13-slim AS build

WORKDIR /src
COPY requirements.txt requirements-build.txt ./
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    pip install --no-cache-dir --root-user-action=ignore --require-hashes --requirement requirements-build.txt \
    && pip wheel --no-cache-dir --only-binary :all: --wheel-dir /libraries \
        --require-hashes --requirement requirements.txt \
    && python -m venv --without-pip /opt/mail-exporter \
    && pip --python /opt/mail-exporter/bin/python install --no-cache-dir --no-index --no-deps /libraries/*.whl

COPY pyproject.toml README.md LICENSE config.example.yaml ./
COPY docs/ docs/
COPY exporter/ exporter/
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf \
    pip wheel --no-cache-dir --no-build-isolation --no-deps --wheel-dir /wheels . \
    && pip --python /opt/mail-exporter/bin/python install --no-cache-dir --no-deps /wheels/mail_exporter-*.whl


FROM python:3.13-slim

# Nothing is installed in a running container, so nothing that installs is left for whoever breaks into one.
RUN python -m pip uninstall --yes --root-user-action=ignore pip \
    && rm -r "$(python -c 'import ensurepip; print(ensurepip.__path__[0])')"

COPY --from=build /opt/mail-exporter /opt/mail-exporter
ENV PATH=/opt/mail-exporter/bin:$PATH

ARG VERSION=0.1.0
ARG REVISION=
ARG CREATED=
# [project.urls] in pyproject.toml, which a test compares.
ARG SOURCE=https://github.com/mail-exporter/mail-exporter
LABEL org.opencontainers.image.title="mail-exporter" \
      org.opencontainers.image.description="Probes SMTP, POP3 and IMAP servers the way a mail client does, for Prometheus" \
      org.opencontainers.image.url="$SOURCE" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.documentation="$SOURCE/blob/main/docs/index.md" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"

# For `--history.file`: a volume that is mounted here for the first time takes over whose it is.
RUN install -d -o 65532 -g 65532 -m 0750 /var/lib/mail-exporter

# A number, so that Kubernetes' runAsNonRoot can tell that it is not root. It needs to write nothing else.
USER 65532:65532
EXPOSE 9925

HEALTHCHECK --interval=30s --timeout=5s --start-period=15s CMD ["mail-exporter", "healthcheck"]

# Without a shell in between: the daemon is process 1 itself, gets SIGTERM, and ends with 0 within five seconds.
ENTRYPOINT ["mail-exporter"]
CMD ["run", "--config.file=/etc/mail-exporter/mail-exporter.yaml"]
