# One image for every process of Tollkeeper: sidecar, admin, migrate, stub-model, envoy render.
FROM python:3.13-slim AS build
WORKDIR /src
COPY . .
RUN python -m venv /opt/tollkeeper && /opt/tollkeeper/bin/pip install --no-cache-dir --constraint constraints.txt '.[prices,clickhouse]'

FROM python:3.13-slim
# The uid of Envoy's own image: both open the Unix sockets and the log file in the shared volumes.
RUN groupadd --gid 101 tollkeeper \
    && useradd --uid 101 --gid 101 --no-create-home --shell /usr/sbin/nologin tollkeeper \
    && install --directory --owner 101 --group 101 --mode 0750 \
       /run/tollkeeper /var/lib/tollkeeper /var/log/tollkeeper /etc/tollkeeper/envoy
COPY --from=build /opt/tollkeeper /opt/tollkeeper
ENV PATH=/opt/tollkeeper/bin:$PATH PYTHONUNBUFFERED=1
USER 101:101
ENTRYPOINT ["tollkeeper"]
CMD ["sidecar"]
